"use strict";
// Keeps an open page up to date: the server says where the run stands, and when a step has
// finished the parts that changed are put in the place of the old ones.
(() => {
  const RETRY_MS = 3000;
  const READING_LINE = 80; // pixels from the top: below the list of parts
  const FOCUSABLE = "a, button, summary, [tabindex]";
  const HEAD_PARTS = [".skip", ".headline", ".state", "nav", ".settings"];
  const line = document.getElementById("live");
  const [doing, counts] = line.children;
  const listSections = (page) => [...page.querySelectorAll("main > section")];
  // As the server sent them: what the reader has opened since then is no change.
  const sent = new Map(listSections(document).map((one) => [one.id, one.outerHTML]));
  let shown = line.dataset.version;
  let wanted = null;
  let isUpdating = false;

  function show(state, text, more) {
    keepPlace(() => {
      line.dataset.state = state;
      if (doing.textContent !== text) doing.textContent = text; // else it would be read out again
      counts.textContent = more;
    });
  }

  async function update() {
    if (isUpdating) return;
    isUpdating = true;
    try {
      while (wanted !== null) {
        const version = wanted;
        wanted = null;
        if (version !== shown) await renew();
      }
    } catch (error) {
      // The stream comes back with the server, and says again which page there is.
      show("lost", `The page could not be renewed: ${error.message}`, "");
    } finally {
      isUpdating = false;
    }
  }

  async function renew() {
    const response = await fetch("./", { cache: "no-store" });
    if (!response.ok) throw new Error(`the server answers with ${response.status}`);
    const text = await response.text();
    // Other scripts or styles, such as those of the first page with rows: these have to be loaded.
    // The styles of such a page can't even be parsed here: the policy would complain.
    const head = parsePage(text.slice(0, text.indexOf("<style>")));
    if (policyOf(head) !== policyOf(document)) return location.reload();
    const page = parsePage(text);
    keepPlace(() => replaceParts(page));
    shown = page.getElementById("live").dataset.version;
    if (!shown) setTimeout(askAgain, RETRY_MS); // the run could not be read
  }

  function parsePage(text) {
    return new DOMParser().parseFromString(text, "text/html");
  }

  function policyOf(page) {
    return page.querySelector("meta[http-equiv]").content;
  }

  function askAgain() {
    wanted ??= "";
    shown = null;
    update();
  }

  function replaceParts(page) {
    document.title = page.title;
    for (const name of HEAD_PARTS) {
      const [old, fresh] = [document, page].map((one) => one.querySelector(name));
      if (old.outerHTML !== fresh.outerHTML) old.replaceWith(fresh);
    }
    const sections = listSections(page); // placed ones leave it
    let previous = null;
    for (const fresh of sections) previous = placeSection(fresh, previous);
    const ids = new Set(sections.map((one) => one.id));
    for (const old of listSections(document)) {
      if (ids.has(old.id)) continue;
      sent.delete(old.id);
      old.remove();
    }
  }

  // Returns what now stands there. previous: the section before it.
  function placeSection(fresh, previous) {
    const old = document.getElementById(fresh.id);
    if (old && fresh.id === "rows") {
      offerRows(fresh);
      return old;
    }
    const text = fresh.outerHTML;
    if (old && sent.get(fresh.id) === text) return old;
    sent.set(fresh.id, text);
    if (old) replaceSection(old, fresh);
    else if (previous) previous.after(fresh);
    else document.querySelector("main").prepend(fresh);
    return fresh;
  }

  // What the reader has opened stays open, and the focus stays where it is.
  function replaceSection(old, fresh) {
    const nameOf = (details) => details.querySelector("summary").textContent;
    const opened = new Map();
    for (const details of old.querySelectorAll("details")) opened.set(nameOf(details), details.open);
    for (const details of fresh.querySelectorAll("details")) {
      details.open = opened.get(nameOf(details)) ?? details.open;
    }
    const focused = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
    old.replaceWith(fresh);
    if (focused >= 0) fresh.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
  }

  // Whoever reads a part reads on at the same height, whatever has changed above it.
  function keepPlace(change) {
    const topOf = (section) => section.getBoundingClientRect().top;
    const read = listSections(document).findLast((one) => topOf(one) <= READING_LINE);
    const before = read && topOf(read);
    change();
    const now = read && document.getElementById(read.id);
    if (now) scrollBy({ top: topOf(now) - before, behavior: "instant" });
  }

  // The browser of rows keeps its filters and its opened row until the reader asks for the rest.
  function offerRows(fresh) {
    const blocks = ["#row-data", "#row-texts"];
    const rows = document.getElementById("rows");
    const isSame = (name) =>
      rows.querySelector(name).textContent === fresh.querySelector(name).textContent;
    if (blocks.every(isSame) || document.getElementById("live-rows")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show the rows as they are now";
    button.addEventListener("click", () => {
      location.hash = "rows";
      location.reload();
    });
    const note = document.createElement("p");
    note.id = "live-rows";
    note.append(button);
    rows.querySelector("h2").after(note);
  }

  const stream = new EventSource("events");
  stream.addEventListener("message", (message) => {
    const progress = JSON.parse(message.data);
    show(progress.state, progress.doing, progress.counts);
    wanted = progress.version;
    update();
  });
  stream.addEventListener("error", () => {
    const time = new Date().toLocaleTimeString();
    show("lost", `No answer from the server since ${time}: the page stays as it is.`, "");
  });
})();
