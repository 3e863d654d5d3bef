// Which rows are shown, and in which order.

const ALL_DRAFTS = "drafts";
const EVERYTHING = "everything";

function makeFilter() {
  return { text: "", outcome: ALL_DRAFTS, reason: "", round: "", low: "", high: "", seed: null };
}

class RowFinder {
  constructor(rows) {
    this.rows = rows;
    this.orders = new Map();
    this.lowered = null;
    this.fields = ["question", "text", "answer"];
  }

  // The items that pass, in order.
  find(filter, sort) {
    const matches = this.matchTexts(filter.text);
    return this.order(sort).filter((item) => this.passes(item, filter, matches));
  }

  passes(item, filter, matches) {
    const { rows } = this;
    if (filter.seed !== null && rows.seedOf(item) !== filter.seed) return false;
    if (!this.hasOutcome(item, filter.outcome)) return false;
    if (filter.reason && rows.reasonOf(item) !== filter.reason) return false;
    if (filter.round && String(rows.value(item, "round")) !== filter.round) return false;
    if (!this.isInRange(item, filter)) return false;
    return matches === null || this.hasMatch(item, matches);
  }

  hasOutcome(item, outcome) {
    if (outcome === EVERYTHING) return true;
    if (outcome === ALL_DRAFTS) return this.rows.isDraft(item);
    return this.rows.outcomeOf(item) === outcome;
  }

  isInRange(item, { low, high }) {
    if (low === "" && high === "") return true;
    const score = this.rows.scoreOf(item);
    if (score === null) return false;
    return (low === "" || score >= Number(low)) && (high === "" || score <= Number(high));
  }

  // What holds the searched text: a 1 for each label and for each text that does. Each is searched
  // once, in however many rows it stands. null: nothing is searched.
  matchTexts(text) {
    if (!text) return null;
    this.lowerTexts();
    const wanted = text.toLowerCase();
    return { labels: markMatches(this.lowered.labels, wanted),
      texts: markMatches(this.lowered.texts, wanted) };
  }

  lowerTexts() {
    const { labels, texts } = this.rows;
    const lower = (all) => all.map((one) => one.toLowerCase());
    this.lowered ??= { labels: lower(labels), texts: lower(texts) };
  }

  // In the seed, in what was drafted from it, and in the attempts that the row shows.
  hasMatch(item, { labels, texts }) {
    const { rows } = this;
    const seed = rows.seedOf(item);
    if (rows.isDraft(item)) {
      if (labels[rows.drafts.id[item]]) return true;
      if (this.fields.some((name) => texts[rows.drafts[name][item]])) return true;
    }
    if (seed === NO_PLACE) return false;
    if (labels[rows.seeds.id[seed]] || texts[rows.seeds.question[seed]]) return true;
    return this.shownRounds(item).some((round) => texts[rows.attempts[round]?.[seed]]);
  }

  shownRounds(item) {
    const round = this.rows.value(item, "round");
    if (round !== null) return [round, round + 1];
    return this.rows.isDraft(item) ? [] : [...this.rows.attempts.keys()];
  }

  order(sort) {
    if (!this.orders.has(sort)) {
      const items = Array.from({ length: this.rows.nItems }, (_, item) => item);
      // Items are by round and rank already, and sorting keeps that where keys are equal.
      const key = this.sortKey(sort);
      if (key) {
        const keys = items.map(key);
        items.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0));
      }
      this.orders.set(sort, items);
    }
    return this.orders.get(sort);
  }

  // Rows without a score or a rank come last.
  sortKey(sort) {
    const { rows } = this;
    const last = (value, sign) => (value === null ? Infinity : sign * value);
    if (sort === "rank") return (item) => last(rows.value(item, "rank"), 1);
    if (sort === "high") return (item) => last(rows.scoreOf(item), -1);
    if (sort === "low") return (item) => last(rows.scoreOf(item), 1);
    if (sort === "seed") return (item) => rows.seedLabel(rows.seedOf(item), "id") ?? "";
    return null;
  }
}

function markMatches(lowered, wanted) {
  const matches = new Uint8Array(lowered.length);
  for (let place = 0; place < matches.length; place++) {
    if (lowered[place].includes(wanted)) matches[place] = 1;
  }
  return matches;
}

// How many items have each value, the most common first.
function countValues(items, valueOf) {
  const counts = new Map();
  for (const item of items) {
    const value = valueOf(item);
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
}
