"""Whether a text ends in a loop: greedy decoding of a broken student repeats itself."""

MIN_REPEATS = 4
MIN_LOOP_CHARS = 10  # 1000000 is a number
MIN_LOOP_SHARE = 0.5  # of the text


def ends_in_loop(text: str) -> bool:
    """Whether at least half of the text is, up to its end, one thing said four times or more.

    The last repeat may be cut off.
    """
    reversed_text = text.strip()[::-1]
    shortest = max(MIN_LOOP_CHARS, MIN_LOOP_SHARE * len(reversed_text))
    borders = measure_borders(reversed_text)
    return any(
        length >= shortest and length >= MIN_REPEATS * (length - border)
        for length, border in enumerate(borders, start=1)
    )


def measure_borders(text: str) -> list[int]:
    """Of each prefix: the length of its longest proper prefix that it also ends with.

    A prefix of length L with a border B has the period L − B (Knuth, Morris & Pratt 1977).
    """
    borders = [0] * len(text)
    border = 0
    for i in range(1, len(text)):
        while border and text[i] != text[border]:
            border = borders[border - 1]
        if text[i] == text[border]:
            border += 1
        borders[i] = border
    return borders
