// One opened row, from its seed to what the student says after it.

class RowDetail {
  // actions: showSeed(seed), openItem(item), close()
  constructor(element, rows, actions) {
    this.element = element;
    this.rows = rows;
    this.actions = actions;
  }

  show(item) {
    const { rows } = this;
    const parts = rows.isDraft(item) ? this.describeDraft(item) : this.describeUnselected(item);
    this.element.replaceChildren(this.makeHead(item), ...parts);
    this.element.scrollTop = 0;
    this.element.hidden = false;
  }

  focus() {
    this.element.querySelector("h3").focus();
  }

  makeHead(item) {
    const title = makeElement("h3", "", this.rows.idOf(item), " · ");
    title.append(makeOutcome(this.rows.outcomeOf(item)));
    title.tabIndex = -1;
    return makeElement(
      "div", "rows-head", title, makeButton("rows-button", "Close", this.actions.close),
    );
  }

  describeDraft(item) {
    const { rows } = this;
    const seed = rows.seedOf(item);
    const parts = [...this.describeSeed(seed)];
    const round = rows.value(item, "round");
    if (round !== null) parts.push(...this.describeAttempts(seed, round, item));
    parts.push(...this.describeText(item));
    if (round !== null) parts.push(...this.describeFate(item));
    if (seed !== NO_PLACE) parts.push(...this.describeRounds(seed, item));
    return parts;
  }

  describeUnselected(item) {
    const seed = this.rows.seedOf(item);
    return [...this.describeSeed(seed), ...this.describeRounds(seed, item)];
  }

  describeSeed(seed) {
    const { rows } = this;
    if (seed === NO_PLACE) return [makeElement("p", "rows-facts", "A row of your own.")];
    const n = rows.draftsOfSeed[seed].length;
    const id = rows.seedLabel(seed, "id");
    const label = `all ${formatCount(n)} rows of ${id}`;
    const link = makeButton("rows-link", label, () => this.actions.showSeed(seed));
    const gold = rows.seedText(seed, "gold");
    return [
      makeElement("h4", "", "Seed"),
      makeElement("p", "", n ? link : `${id}: no round selected it`),
      makeText(rows.seedText(seed, "question"), "Its question is not in this page."),
      makeElement("p", "", gold === null ? "No gold answer here." : `Gold answer: ${gold}`),
    ];
  }

  // Before and after the round, side by side.
  describeAttempts(seed, round, item) {
    const { rows } = this;
    const isAsked = rows.hasAttempts(round + 1);
    const missing = isAsked
      ? "Not in this page: see the notes above."
      : "None: no later round asked the student this seed.";
    const before = this.makeAttempt(seed, round, "Not in this page.");
    const after = this.makeAttempt(seed, round + 1, missing);
    return [
      makeElement("h4", "", `The student, before → after round ${round}`),
      makeElement("p", "rows-facts", joinFacts("selected", describePick(rows, item))),
      makeElement("div", "rows-pair",
        makeElement("div", "", makeElement("p", "rows-mark", "Before"), ...before),
        makeElement("div", "", makeElement("p", "rows-mark", "After"), ...after)),
    ];
  }

  makeAttempt(seed, round, whenMissing) {
    const attempt = this.rows.attemptOf(seed, round);
    if (attempt === null) return [makeText(null, whenMissing)];
    return [makeText(attempt.text, ""), this.makeGrade(attempt)];
  }

  makeGrade(attempt) {
    const grades = { 1: ["right", "rows-good"], 0: ["wrong", "rows-bad"] };
    const [word, tone] = grades[attempt.right] ?? [null, null];
    const grade = word === null
      ? "not graded: the criterion did not need it"
      : makeElement("span", `rows-mark ${tone}`, word);
    const line = makeElement("p", "rows-facts", grade);
    if (attempt.truncated) line.append(" · cut off at the limit of tokens");
    return line;
  }

  describeText(item) {
    const { rows } = this;
    const answer = rows.textOf(item, "answer");
    const isGiven = rows.value(item, "round") === null;
    return [
      makeElement("h4", "", isGiven ? "The row" : "Drafted question"),
      makeText(rows.textOf(item, "question"), "No question was drafted."),
      makeElement("h4", "", isGiven ? "Its answer" : "Drafted answer"),
      makeText(rows.textOf(item, "text"), "No answer was drafted."),
      answer === null ? null : makeElement("p", "", `Final answer: ${answer}`),
      ...(isGiven ? [] : this.describeReplies(item)),
    ].filter((part) => part !== null);
  }

  describeReplies(item) {
    const { rows } = this;
    const replies = rows.value(item, "replies").map(([role, text]) => [
      makeElement("p", "rows-mark", rows.label(role)), makeText(rows.text(text), ""),
    ]);
    if (!replies.length) return [makeElement("p", "rows-facts", "Raw replies: not in this page.")];
    return [makeFold(`Raw replies (${replies.length})`, ...replies.flat())];
  }

  describeFate(item) {
    const { rows } = this;
    const reason = rows.textOf(item, "reason");
    const overlaps = rows.value(item, "overlaps").map((place) => rows.text(place));
    const [seedLoss, rowLoss] = [rows.value(item, "seed_loss"), rows.value(item, "row_loss")];
    const fate = makeElement("p", "", makeOutcome(rows.outcomeOf(item)));
    if (reason !== null) fate.append(showControls(`: ${reason}`));
    const parts = [
      makeElement("h4", "", "Verdict"), makeElement("p", "", rows.labelOf(item, "verdict")), fate,
    ];
    if (rowLoss !== null) {
      const losses = `${formatNumber(seedLoss)} for the seed, ${formatNumber(rowLoss)} for the row`;
      parts.push(makeElement("p", "rows-facts", `The student's loss before training: ${losses}`));
    }
    for (const overlap of overlaps) {
      parts.push(makeElement("p", "rows-bad", "Shares words with this question. Look at it:"));
      parts.push(makeText(overlap, ""));
    }
    return parts;
  }

  // The seed through all rounds: what the student said, and the rows made from it.
  describeRounds(seed, opened) {
    const list = makeElement("ul", "rows-rounds");
    for (let round = 0; round < this.rows.nRounds; round++) {
      if (this.rows.hasAttempts(round)) list.append(this.describeRound(seed, round, opened));
    }
    return [makeElement("h4", "", "This seed in every round"), list];
  }

  describeRound(seed, round, opened) {
    const { rows } = this;
    const drafts = rows.draftsOfSeed[seed].filter((draft) => rows.drafts.round[draft] === round);
    const score = rows.scores[round]?.[seed] ?? null;
    const isSelected = drafts.length ? "selected" : "not selected";
    const facts = joinFacts(
      `Round ${round}`, isSelected, score === null ? null : `score ${formatNumber(score)}`,
    );
    const links = drafts.map((draft) => this.makeLink(draft, opened));
    const attempt = rows.attemptOf(seed, round);
    const answer = attempt && makeFold(
      "The student's answer", makeText(attempt.text, ""), this.makeGrade(attempt),
    );
    return makeElement("li", "", facts, makeElement("ul", "", ...links), answer);
  }

  makeLink(draft, opened) {
    const { rows } = this;
    const label = `${rows.idOf(draft)}: ${rows.outcomeOf(draft)}`;
    if (draft === opened) return makeElement("li", "", `${label} (this row)`);
    const link = makeButton("rows-link", label, () => this.actions.openItem(draft));
    return makeElement("li", "", link);
  }
}
