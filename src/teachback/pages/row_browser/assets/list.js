// A list of thousands of rows, of which only those in sight are elements.

const ROW_REMS = 4.75; // as in the style
const MARGIN_ROWS = 6; // that are ready above and below those in sight
const MAX_PRINTED = 200;

class RowList {
  // makeOption(item): the content of an option. onSelect(item, isOpened): the reader moved.
  constructor(element, makeOption, onSelect) {
    this.element = element;
    this.makeOption = makeOption;
    this.onSelect = onSelect;
    this.items = [];
    this.position = -1;
    this.isPrinting = false;
    this.rowHeight = ROW_REMS * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.space = makeElement("div", "rows-space");
    this.space.setAttribute("role", "presentation");
    element.append(this.space);
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    element.addEventListener("keydown", (event) => this.handleKey(event));
    element.addEventListener("click", (event) => {
      const option = event.target.closest(".rows-option");
      if (option) this.select(Number(option.dataset.position), true);
    });
    new ResizeObserver(() => this.draw()).observe(element);
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
  }

  // The selected item stays selected where it is still in the list.
  show(items, selected) {
    this.items = items;
    this.position = items.indexOf(selected);
    this.element.scrollTop = 0;
    if (this.position >= 0) this.scrollTo(this.position);
    this.draw();
  }

  get selected() {
    return this.items[this.position] ?? null;
  }

  select(position, isOpened) {
    if (!this.items.length) return;
    this.position = Math.max(0, Math.min(position, this.items.length - 1));
    this.scrollTo(this.position);
    this.draw();
    this.onSelect(this.selected, isOpened);
  }

  scrollTo(position) {
    const top = position * this.rowHeight;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) {
      this.element.scrollTop = top + this.rowHeight - clientHeight;
    }
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.floor(scrollTop / this.rowHeight) - MARGIN_ROWS;
    const last = Math.ceil((scrollTop + clientHeight) / this.rowHeight) + MARGIN_ROWS;
    const range = this.isPrinting ? [0, MAX_PRINTED] : [Math.max(0, first), last];
    this.space.style.height = `${this.items.length * this.rowHeight}px`;
    const start = range[0];
    const options = this.items.slice(...range).map((item, i) => this.place(item, start + i));
    if (!this.items.length) options.push(makeElement("div", "rows-empty", "No row passes."));
    this.space.style.height = this.items.length ? this.space.style.height : "auto";
    this.space.replaceChildren(...options);
    this.point();
  }

  // Which option is the active one: the list keeps the focus.
  point() {
    const active = document.getElementById(`rows-option-${this.position}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  place(item, position) {
    const option = makeElement("div", "rows-option", ...this.makeOption(item));
    option.id = `rows-option-${position}`;
    option.dataset.position = position;
    option.style.top = `${position * this.rowHeight}px`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(position === this.position));
    option.setAttribute("aria-posinset", position + 1);
    option.setAttribute("aria-setsize", this.items.length);
    return option;
  }

  handleKey(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const targets = {
      ArrowDown: this.position + 1,
      ArrowUp: this.position - 1,
      PageDown: this.position + page,
      PageUp: this.position - page,
      Home: 0,
      End: this.items.length - 1,
      Enter: this.position,
    };
    if (!(event.key in targets) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.select(targets[event.key], event.key === "Enter");
  }

  print(isPrinting) {
    this.isPrinting = isPrinting;
    this.draw();
    if (isPrinting && this.items.length > MAX_PRINTED) {
      const text = `The first ${MAX_PRINTED} of ${formatCount(this.items.length)} rows.`;
      this.space.append(makeElement("p", "rows-facts", text));
    }
  }
}
