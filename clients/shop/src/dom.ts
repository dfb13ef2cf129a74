// Helpers for the document: elements, lists that follow data, dialogs, notices. Used by all modules of the page.

import { language, t, type Word } from "./words";

type Child = Node | string | false | undefined;

/** Return the one element that a selector matches. */
export const $ = <E extends HTMLElement = HTMLElement>(selector: string, within: ParentNode = document): E => within.querySelector<E>(selector)!;

/** Make an element. */
export function make<N extends keyof HTMLElementTagNameMap>(name: N, className = "", ...children: Child[]): HTMLElementTagNameMap[N] {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child): child is Node | string => !!child));
  return made;
}

/** Make a button. */
export function button(className: string, label: string, press: () => void): HTMLButtonElement {
  const made = make("button", className, label);
  made.type = "button";
  made.onclick = press;
  return made;
}

/** Set a text if it differs, so that a screen reader or a selection is not interrupted. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make the children of `list` those of `entries`, in order. `show` creates the element of an entry, or updates the one that it
 * is given: elements stay as long as their entries do, and so does the focus.
 */
export function follow<T, E extends HTMLElement>(list: HTMLElement, entries: readonly T[], key: (entry: T) => string, show: (entry: T, shown?: E) => E): void {
  const shown = new Map([...(list.children as HTMLCollectionOf<E>)].map((child) => [child.dataset.key!, child]));
  const wanted = new Set(entries.map(key));
  for (const [name, element] of shown) if (!wanted.has(name)) element.remove();
  let next = list.firstChild;
  for (const entry of entries) {
    const name = key(entry);
    const element = show(entry, shown.get(name));
    element.dataset.key = name;
    if (element === next) next = next.nextSibling;
    else list.insertBefore(element, next);
  }
}

/** Return a function that calls `work` shortly after it is called, once for all calls until then. */
export function soon(work: () => void): () => void {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      work();
    }, 30);
  };
}

/** Write all fixed texts of the document in the language of the page. */
export function translate(): void {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll<HTMLElement>("[data-t]")) write(element, t(element.dataset.t as Word));
  for (const element of document.querySelectorAll<HTMLElement>("[data-label]")) element.ariaLabel = t(element.dataset.label as Word);
  for (const element of document.querySelectorAll<HTMLElement>("[data-region]")) element.ariaLabel = t(element.dataset.region as Word);
  for (const element of document.querySelectorAll<HTMLInputElement>("[data-hint]")) element.placeholder = t(element.dataset.hint as Word);
}

/** Make a dialog close by its button and by a press beside it. */
export function dialog(selector: string): HTMLDialogElement {
  const found = $<HTMLDialogElement>(selector);
  found.addEventListener("click", (event) => {
    if (event.target === found || (event.target as Element).closest(".close")) found.close();
  });
  return found;
}

const NEWS = 8000; // ms for which news are shown
const MANY = 3; // notices at once

/** Show a notice: news for a short time, errors until they are dismissed. */
export function tell(text: string, kind: "news" | "error" = "news", title = ""): void {
  const place = $(kind === "news" ? "#news" : "#errors");
  const dismiss = button("dismiss", "×", () => notice.remove());
  dismiss.ariaLabel = t("dismiss");
  const notice = make("div", `notice ${kind}`, make("p", "", title && make("b", "", title), make("span", "", text)), dismiss);
  place.append(notice);
  while (place.children.length > MANY) place.firstElementChild!.remove();
  if (kind === "news") setTimeout(() => notice.remove(), NEWS);
}

/** Return a colour (as a hue) and initials for a name. */
export const hue = (name: string): string => String([...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) % 360, 7));
export const initials = (name: string): string => [...name].slice(0, 2).join("");
