// Puts the parts together: controls, list and detail.

const SEARCH_DELAY_MS = 120;
const part = (name) => document.getElementById(`rows-${name}`);
const CONTROLS = ["outcome", "reason", "round", "low", "high"];

class RowBrowser {
  constructor(rows) {
    this.rows = rows;
    this.finder = new RowFinder(rows);
    this.seed = null;
    this.isOpen = false;
    this.list = new RowList(part("list"), (item) => this.makeOption(item),
      (item, isOpened) => this.handleSelection(item, isOpened));
    this.detail = new RowDetail(part("detail"), rows, {
      showSeed: (seed) => this.showSeed(seed),
      openItem: (item) => this.openItem(item),
      close: () => this.close(),
    });
    this.fillControls();
    this.listen();
    this.applyFilter();
    this.hasStarted = this.finish();
  }

  // The list is there: what it doesn't need is unpacked now.
  async finish() {
    await new Promise(requestAnimationFrame);
    performance.measure("rows-load");
    await this.rows.unpackTexts();
    if (this.isOpen) this.open(this.opened, part("detail").contains(document.activeElement));
    if (part("search").value.trim()) this.applyFilter();
    // Ready before anybody has typed.
    this.finder.lowerTexts();
    performance.measure("rows-texts");
  }

  fillControls() {
    const { rows } = this;
    const items = this.finder.order("round");
    const outcomes = countValues(items, (item) => rows.outcomeOf(item));
    addOptions(part("outcome"), [
      [ALL_DRAFTS, `all drafts (${formatCount(rows.nDrafts)})`],
      ...outcomes.map(([value, n]) => [value, `${value} (${formatCount(n)})`]),
      [EVERYTHING, `drafts and seeds (${formatCount(rows.nItems)})`],
    ]);
    const reasons = countValues(items, (item) => rows.reasonOf(item));
    addOptions(part("reason"), [
      ["", "any"], ...reasons.map(([value, n]) => [value, `${value} (${formatCount(n)})`]),
    ]);
    const rounds = countValues(items, (item) => rows.value(item, "round"));
    rounds.sort((a, b) => a[0] - b[0]);
    addOptions(part("round"), [
      ["", "all"], ...rounds.map(([value, n]) => [String(value), `${value} (${formatCount(n)})`]),
    ]);
    const notes = rows.notes.map((note) => makeElement("li", "", note));
    part("notes").replaceChildren(...notes);
  }

  listen() {
    let timer = 0;
    part("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.applyFilter(), SEARCH_DELAY_MS);
    });
    for (const name of [...CONTROLS, "sort"]) {
      part(name).addEventListener("change", () => this.applyFilter());
    }
    part("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      this.applyFilter();
    });
    part("controls").addEventListener("reset", () => {
      this.seed = null;
      setTimeout(() => this.applyFilter());
    });
    part("browser").addEventListener("keydown", (event) => this.handleKey(event));
    document.addEventListener("keydown", (event) => this.focusSearch(event));
    document.addEventListener("click", (event) => this.followSeedLink(event));
  }

  readFilter() {
    const values = CONTROLS.map((name) => [name, part(name).value]);
    const text = part("search").value.trim();
    return { ...makeFilter(), ...Object.fromEntries(values), text, seed: this.seed };
  }

  applyFilter() {
    const started = performance.now();
    const filter = this.readFilter();
    if (filter.text && !this.rows.hasTexts) {
      part("count").textContent = "Unpacking the texts …"; // `finish` comes back to this
      return;
    }
    const items = this.finder.find(filter, part("sort").value);
    this.list.show(items, this.opened ?? this.list.selected);
    const all = this.rows.nDrafts;
    const seeds = items.some((item) => !this.rows.isDraft(item)) ? " rows and seeds" : "";
    part("count").textContent = `${formatCount(items.length)} of ${formatCount(all)}${seeds}`;
    this.showChip();
    performance.measure("rows-filter", { start: started });
  }

  showChip() {
    const chip = part("seed");
    chip.hidden = this.seed === null;
    if (this.seed === null) return;
    const id = this.rows.seedLabel(this.seed, "id");
    const remove = makeButton("rows-link", "show other seeds too", () => this.showSeed(null));
    chip.replaceChildren(...makeElement("span", "", `only seed ${id} · `, remove).childNodes);
  }

  makeOption(item) {
    const { rows } = this;
    const seed = rows.seedOf(item);
    const snippet = rows.labelOf(item, "snippet") ?? rows.seedLabel(seed, "snippet");
    const round = rows.value(item, "round");
    const score = rows.isDraft(item) ? null : rows.scoreOf(item);
    const facts = joinFacts(
      round === null ? null : `round ${round}`,
      describePick(rows, item),
      score === null ? null : `last score ${formatNumber(score)}`,
      rows.labelOf(item, "short_reason"),
    );
    return [
      makeElement("div", "", makeOutcome(rows.outcomeOf(item)), ` ${rows.idOf(item)}`),
      makeElement("div", "", snippet ?? ""),
      makeElement("div", "rows-facts", facts),
    ];
  }

  // -- what the reader does ------------------------------------------------------------

  handleSelection(item, isOpened) {
    if (isOpened || this.isOpen) this.open(item, isOpened);
  }

  open(item, hasFocus) {
    this.opened = item;
    this.isOpen = true;
    this.detail.show(item);
    part("panes").classList.add("rows-open");
    if (hasFocus) this.detail.focus();
  }

  // A row by a link: it is brought into the list if a filter hides it.
  openItem(item) {
    this.opened = item;
    if (!this.list.items.includes(item)) this.showSeed(this.rows.seedOf(item));
    this.list.select(this.list.items.indexOf(item), true);
  }

  close() {
    this.isOpen = false;
    this.opened = null;
    part("detail").hidden = true;
    part("panes").classList.remove("rows-open");
    part("list").focus();
  }

  // seed: its place; null: of all seeds again.
  showSeed(seed) {
    part("controls").reset();
    this.seed = seed;
    // A seed without drafts is in no list of drafts.
    if (seed !== null) part("outcome").value = EVERYTHING;
    this.applyFilter();
  }

  handleKey(event) {
    if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      this.close();
    } else if (event.key === "ArrowDown" && event.target === part("search")) {
      event.preventDefault();
      part("list").focus();
      this.list.select(Math.max(0, this.list.position), false);
    }
  }

  focusSearch(event) {
    const isTyping = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    part("search").focus();
    part("search").select();
  }

  // Anything in the page with data-rows-seed="ID" leads to the rows of that seed.
  followSeedLink(event) {
    const link = event.target.closest?.("[data-rows-seed]");
    if (!link) return;
    const seeds = Array.from({ length: this.rows.nSeeds }, (_, seed) => seed);
    const wanted = link.dataset.rowsSeed;
    const seed = seeds.find((one) => this.rows.seedLabel(one, "id") === wanted);
    if (seed === undefined) return;
    event.preventDefault();
    this.showSeed(seed);
    part("browser").scrollIntoView();
    part("list").focus();
  }
}

function addOptions(select, options) {
  for (const [value, label] of options) {
    const option = makeElement("option", "", label);
    option.value = value;
    select.append(option);
  }
}

async function startBrowser() {
  try {
    await new RowBrowser(await unpackRows()).hasStarted;
  } catch (error) {
    part("count").textContent = `The rows can't be shown: ${error.message}`;
    throw error;
  }
}

startBrowser();
