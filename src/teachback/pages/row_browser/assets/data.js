// The packed rows: columns of numbers over tables of labels and texts. encoding.py writes them.

const NO_PLACE = -1;
const NOT_YET = "…"; // until the texts are unpacked

async function inflateBlock(id) {
  const packed = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(packed)
    : Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

async function unpackRows() {
  return new RunRows(JSON.parse(await inflateBlock("row-data")));
}

// All that the browser shows. An item of the list is a draft, or after these a seed that was never
// selected: item k is draft k, or the seed unselected[k - nDrafts].
class RunRows {
  constructor(packed) {
    Object.assign(this, packed);
    this.texts = [];
    this.hasTexts = false;
    this.nDrafts = this.drafts.id?.length ?? 0;
    this.nSeeds = this.seeds.id?.length ?? 0;
    this.nRounds = this.attempts.length;
    this.draftsOfSeed = Array.from({ length: this.nSeeds }, () => []);
    for (let k = 0; k < this.nDrafts; k++) {
      const seed = this.drafts.seed[k];
      if (seed !== NO_PLACE) this.draftsOfSeed[seed].push(k);
    }
    this.unselected = [];
    this.draftsOfSeed.forEach((drafts, seed) => {
      if (!drafts.length) this.unselected.push(seed);
    });
    this.nItems = this.nDrafts + this.unselected.length;
  }

  // Line by line, with a pause after each: the page stays quick meanwhile.
  async unpackTexts() {
    for (const line of (await inflateBlock("row-texts")).split("\n")) {
      if (line) this.texts.push(...JSON.parse(line));
      await (globalThis.scheduler?.yield?.() ?? new Promise((resume) => setTimeout(resume)));
    }
    this.hasTexts = true;
  }

  text(place) {
    return place === NO_PLACE ? null : this.texts[place] ?? NOT_YET;
  }

  label(place) {
    return place === NO_PLACE ? null : this.labels[place];
  }

  isDraft(item) {
    return item < this.nDrafts;
  }

  // A column of the drafts; null for a seed that was never selected.
  value(item, column) {
    return this.isDraft(item) ? this.drafts[column][item] : null;
  }

  textOf(item, column) {
    return this.isDraft(item) ? this.text(this.drafts[column][item]) : null;
  }

  labelOf(item, column) {
    return this.isDraft(item) ? this.label(this.drafts[column][item]) : null;
  }

  seedOf(item) {
    return this.isDraft(item) ? this.drafts.seed[item] : this.unselected[item - this.nDrafts];
  }

  seedText(seed, column) {
    return seed === NO_PLACE ? null : this.text(this.seeds[column][seed]);
  }

  seedLabel(seed, column) {
    return seed === NO_PLACE ? null : this.label(this.seeds[column][seed]);
  }

  idOf(item) {
    return this.isDraft(item) ? this.labelOf(item, "id") : this.seedLabel(this.seedOf(item), "id");
  }

  outcomeOf(item) {
    return this.isDraft(item) ? this.labelOf(item, "outcome") : "never selected";
  }

  // "wrong: 3 is not 4" counts as "wrong".
  reasonOf(item) {
    const reason = this.labelOf(item, "short_reason");
    return reason === null ? null : reason.split(":", 1)[0];
  }

  // The score of the round's selection; of a seed never selected, the last one.
  scoreOf(item) {
    if (this.isDraft(item)) return this.drafts.score[item];
    return this.scores.at(-1)?.[this.seedOf(item)] ?? null;
  }

  hasAttempts(round) {
    return round < this.nRounds && this.right[round].length > 0;
  }

  // What the student said to a seed in a round; null where the page doesn't hold it.
  attemptOf(seed, round) {
    const place = this.attempts[round]?.[seed] ?? NO_PLACE;
    if (place === NO_PLACE) return null;
    return {
      text: this.text(place),
      right: this.right[round][seed],
      truncated: this.truncated[round][seed] === "1",
    };
  }
}
