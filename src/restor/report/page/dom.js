// Small helpers. Texts come from models and documents: they are set as text, never as markup.
const $ = (id) => document.getElementById(id);
const el = (name, words, className) => {
  const made = document.createElement(name);
  if (words !== undefined) made.textContent = words;
  if (className) made.className = className;
  return made;
};
const svg = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const foreign = (words, name = "span") => {
  const made = el(name, words, "foreign");
  made.dir = "auto";
  return made;
};
const choose = (select, options, chosen) => {
  for (const [value, words] of options) {
    const option = el("option", words);
    option.value = value;
    option.selected = value === chosen;
    select.append(option);
  }
};
const distinct = (values) => [...new Set(values)];
const anyOf = (values) => [["", "any"], ...values.map((value) => [String(value), String(value)])];
// With a true minus sign, and none before a zero.
const minus = (words) => (Number(words) === 0 ? words.replace("-", "") : words.replace("-", "−"));
const percent = (value) => minus((100 * value).toFixed(0));
const counted = (number) => number.toLocaleString("en");
const noted = ([value, low, high]) => (value === null ? "–"
  : percent(value) + (low === null || high === null ? "" : ` [${percent(low)}, ${percent(high)}]`));

const restyled = []; // what must be drawn anew when light becomes dark
const theme = $("theme");
const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const nameTheme = () => {
  theme.textContent = isDark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", `${theme.textContent} colours`);
};
const restyle = () => {
  nameTheme();
  for (const draw of restyled) draw();
};
theme.hidden = false;
nameTheme();
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  restyle();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);

// On paper nothing can be opened: all but the long tables of numbers and the texts to copy is open there.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.numbers):not(.copy):not(#c-picker)")) part.open = true;
});

// To copy: pages that are opened from a file may not have a clipboard; then the text is selected.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = $(button.dataset.copy);
    const said = button.nextElementSibling;
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said.textContent = "Selected: copy it with Ctrl+C or ⌘C.";
    }
  });
}
