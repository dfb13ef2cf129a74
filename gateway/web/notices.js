// What is said in a corner for a while: errors, news, and the notifications of this person. Used by main.js.

const SHOWN_FOR = 7_000; // ms
const ACTION_FOR = 15_000; // ms that something can be undone
const MOST = 3; // at one time, of each kind
const REMEMBERED = 100; // notifications, which may come twice

const KINDS = { INFO: "news", SUCCESS: "success", WARNING: "warning", ERROR: "error" };

/** Say something: an `error` (read out at once), `warning`, `news` or `success`; `action` {label, run} is offered with it. */
export function notify(text, kind = "error", { title = "", action } = {}) {
  const notice = document.querySelector("#notice-template").content.firstElementChild.cloneNode(true);
  notice.classList.add(kind);
  notice.querySelector("strong").textContent = title;
  notice.querySelector("strong").hidden = !title;
  notice.querySelector("p span").textContent = text;
  notice.querySelector(".dismiss").addEventListener("click", () => notice.remove());
  const button = notice.querySelector(".act");
  if (action) {
    button.textContent = action.label;
    button.addEventListener("click", () => {
      notice.remove();
      action.run();
    });
  } else button.remove();
  const notices = document.querySelector(kind === "error" ? "#errors" : "#news");
  notices.append(notice);
  while (notices.childElementCount > MOST) notices.firstElementChild.remove();
  setTimeout(() => notice.remove(), action ? ACTION_FOR : SHOWN_FOR);
}

/** Show what the gateway has to say to this person; what comes again is shown once. */
export function followNotifications(realtime) {
  const seen = new Set();
  realtime.on("/", "notification:new", ({ data: { id, title, message, level } }) => {
    if (seen.has(id)) return;
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    notify(message, KINDS[level] ?? "news", { title });
  });
}
