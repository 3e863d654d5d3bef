// Elements of the page. Texts are only ever set as text, never as markup.

function makeElement(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null).map(showControls));
  return element;
}

// A character that is not printed, or that turns the direction of others, is shown by its code.
const HIDDEN_CHARACTERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

function showControls(child) {
  if (typeof child !== "string") return child;
  return child.replace(HIDDEN_CHARACTERS, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return character === "\r" ? "" : `\\u${code}`;
  });
}

function makeButton(className, label, onClick) {
  const button = makeElement("button", className, label);
  button.type = "button";
  button.addEventListener("click", onClick);
  return button;
}

function makeText(text, whenMissing) {
  if (text === null) return makeElement("p", "rows-facts", whenMissing);
  return makeElement("div", "rows-text", text === "" ? "(empty)" : text);
}

function makeFold(summary, ...children) {
  return makeElement("details", "", makeElement("summary", "", summary), ...children);
}

function formatNumber(number) {
  return Number(number.toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 6 });
}

function formatCount(number) {
  return number.toLocaleString("en-US");
}

// "rank 3 · score 1.2 · by loss": what is known of it.
function joinFacts(...facts) {
  return facts.filter((fact) => fact !== null && fact !== "").join(" · ");
}

function describePick(rows, item) {
  const rank = rows.value(item, "rank");
  const score = rows.value(item, "score");
  const by = rows.labelOf(item, "by");
  return joinFacts(
    rank === null ? null : `rank ${rank + 1}`,
    score === null ? null : `score ${formatNumber(score)}`,
    by === null ? null : `by ${by}`,
  );
}

const TONES = { accepted: "rows-good", rejected: "rows-bad", given: "rows-good" };

function makeOutcome(outcome) {
  return makeElement("span", `rows-mark ${TONES[outcome] ?? ""}`, outcome);
}
