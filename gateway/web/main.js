// The page: who is looking, what is shown, what went wrong. Loaded by index.html.

import { Chat } from "./chat.js";
import { followNotifications, notify } from "./notices.js";
import { portray, powersOf } from "./people.js";
import { Products } from "./products.js";
import { Realtime } from "./realtime.js";
import { Session } from "./session.js";
import { Viewers } from "./viewers.js";

const STREAM = "demo";
const PASSWORD = "dorami-dev"; // of all seeds; they exist only in development

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
const chat = new Chat(realtime, session, STREAM);
const views = [new Viewers(realtime, STREAM), new Products(realtime, session, STREAM), chat];
followNotifications(realtime);

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

/** Offer what this person may do in a stream of this host; the style hides what the page's classes do not name. */
function allow(hostId) {
  const powers = powersOf(session.user, hostId);
  for (const [power, has] of Object.entries(powers)) document.body.classList.toggle(power, has);
  chat.allow(powers, hostId);
}

async function enter() {
  show();
  allow(null);
  realtime.open();
  try {
    const stream = await session.call("GET", `/streams/${STREAM}`);
    find("#title").textContent = stream.title;
    find("#description").textContent = stream.description;
    if (session.user) allow(stream.hostId);
  } catch (error) {
    notify(`The stream's title is missing: ${error.message}`);
  }
}

async function signIn(button) {
  const people = find("#entrance");
  people.inert = true;
  button.classList.add("busy");
  find("#sign-in-error").textContent = "";
  try {
    await (button.value ? session.login(button.value, PASSWORD) : session.enterAsGuest());
    await enter();
  } catch (error) {
    find("#sign-in-error").textContent = error.message;
  } finally {
    people.inert = false;
    button.classList.remove("busy");
  }
}

find("#entrance").addEventListener("click", (event) => {
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
  allow(null);
  document.title = "Dorami live";
  find("#sign-in-error").textContent = detail;
  show();
  find("#people button").focus();
});

if (localStorage.getItem("dorami.theme")) document.documentElement.dataset.theme = localStorage.getItem("dorami.theme");
find("#loading").remove();
if (session.user) enter();
else show();
