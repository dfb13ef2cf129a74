// People as the page shows them, and what each may do here. Used by main.js, chat.js, pins.js, products.js and moderation.js.

/** What somebody may do, given whose stream it is: the gateway asks again, so this only decides what is shown. */
export function powersOf(user, hostId) {
  const admin = user?.role === "ADMIN";
  const hosting = Boolean(user) && user.id === hostId;
  return {
    moderates: admin || hosting || user?.role === "MODERATOR", // pins, mutes, sets the room's rules
    erases: admin, // deletes, bans, clears
    features: admin || hosting, // says which product is shown first
  };
}

/** Somebody's letter (and number) in somebody's colour. */
export function portray(avatar, id, name) {
  avatar.textContent = [...name][0].toUpperCase() + (name.match(/\d{1,2}$/)?.[0] ?? "");
  avatar.style.setProperty("--hue", hue(id));
}

/** A colour for an id: always the same one; ids that differ little differ much in it. */
export function hue(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return (sum * 137) % 360;
}

/** Fill in who wrote something, what role they have and when it was. */
export function sign(element, { username, role, timestamp }) {
  element.querySelector(".name").textContent = username;
  const badge = element.querySelector(".role");
  badge.textContent = role.toLowerCase();
  badge.hidden = role === "USER";
  const time = element.querySelector("time");
  time.dateTime = timestamp;
  time.textContent = clock(timestamp);
}

const hours = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });
const days = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** The time of day of a moment. */
export const clock = (moment) => hours.format(new Date(moment));

/** " until 14:05", with the day unless it is today, or nothing for what has no end. */
export function ending(moment) {
  const end = new Date(moment);
  if (end.getUTCFullYear() === 9999) return "";
  const today = end.toDateString() === new Date().toDateString();
  return ` until ${today ? "" : `${days.format(end)}, `}${clock(end)}`;
}

/** A duration in words: 10 s, 5 min. */
export const span = (seconds) => (seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60}\u00a0min` : `${seconds}\u00a0s`);
