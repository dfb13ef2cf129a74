// The page: who is looking, what is shown, what went wrong. Loaded by index.html.

import { Chat, portray } from "./chat.js";
import { Products } from "./products.js";
import { Realtime } from "./realtime.js";
import { Session } from "./session.js";
import { Viewers } from "./viewers.js";

const STREAM = "demo";
const PASSWORD = "dorami-dev"; // of all seeds; they exist only in development
const NOTICE_FOR = 7_000; // ms

const STATES = {
  offline: "Offline",
  connecting: "Connecting…",
  connected: "Connected",
  recovering: "Reconnecting…",
  refused: "Refused",
};

const find = (selector) => document.querySelector(selector);

const session = new Session();
const realtime = new Realtime(session);
const views = [
  new Viewers(realtime, STREAM, notify),
  new Products(realtime, session, STREAM, notify),
  new Chat(realtime, session, STREAM, notify),
];

/** Say something in a corner: an `error` (read out at once) or `news`. */
function notify(text, kind = "error") {
  const notice = find("#notice-template").content.firstElementChild.cloneNode(true);
  notice.classList.add(kind);
  notice.querySelector("p").textContent = text;
  notice.querySelector("button").addEventListener("click", () => notice.remove());
  const notices = find(kind === "error" ? "#errors" : "#news");
  notices.append(notice);
  while (notices.childElementCount > 3) notices.firstElementChild.remove();
  setTimeout(() => notice.remove(), NOTICE_FOR);
}

/** Show the page that fits: the stream for somebody, the list of people for nobody. */
function show() {
  const { user } = session;
  find("#sign-in").hidden = Boolean(user);
  find("#shop").hidden = !user;
  find("#account").hidden = !user;
  if (!user) return;
  portray(find("#account .avatar"), user.id, user.username);
  find("#username").textContent = user.username;
  find("#role").textContent = user.role.toLowerCase();
  document.title = `${user.username} · Dorami live`;
}

async function enter() {
  show();
  realtime.open();
  try {
    const stream = await session.call("GET", `/streams/${STREAM}`);
    find("#title").textContent = stream.title;
    find("#description").textContent = stream.description;
  } catch (error) {
    notify(`The stream's title is missing: ${error.message}`);
  }
}

async function signIn(button) {
  const people = find("#people");
  people.inert = true;
  button.classList.add("busy");
  find("#sign-in-error").textContent = "";
  try {
    await session.login(button.value, PASSWORD);
    await enter();
  } catch (error) {
    find("#sign-in-error").textContent = error.message;
  } finally {
    people.inert = false;
    button.classList.remove("busy");
  }
}

find("#people").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) signIn(button);
});

find("#sign-out").addEventListener("click", () => {
  // Of a session that the gateway no longer knows, there is nothing to be told.
  session.logout().catch((error) => error.retryable && notify(`Signed out here only: ${error.message}`));
});

find("#theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("dorami.theme", root.dataset.theme);
});

realtime.addEventListener("state", ({ detail: { state, reason } }) => {
  const pill = find("#connection");
  pill.dataset.state = state;
  find("#connection-text").textContent = state === "refused" ? `Refused: ${reason}` : STATES[state];
  pill.title = reason;
});

session.addEventListener("ended", ({ detail }) => {
  realtime.close();
  for (const view of views) view.clear();
  document.title = "Dorami live";
  find("#sign-in-error").textContent = detail;
  show();
  find("#people button").focus();
});

if (localStorage.getItem("dorami.theme")) document.documentElement.dataset.theme = localStorage.getItem("dorami.theme");
find("#loading").remove();
if (session.user) enter();
else show();
