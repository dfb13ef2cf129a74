// Hearts that fly up: own ones at once, those of others as the gateway adds them up. Made by main.ts.

import { $, make } from "./dom";
import type { Visit } from "./visit";

const EVERY = 1000; // ms between two requests; the presses until then are one
const MOST = 50; // that the gateway takes at once
const FLYING = 30; // on the page; more is only a blur
const LONG = 1600; // ms that one flies

export function showHearts({ dorami, viewers, key: streamKey }: Visit): void {
  const place = $("#heart");
  let pressed = 0; // since the last request
  let own = 0; // sent, and not heard of yet
  let due = false;

  function fly(): void {
    if (place.querySelectorAll(".fly").length >= FLYING) return;
    const heart = make("span", "fly", "♥");
    heart.style.setProperty("--x", `${Math.random() * 60 - 40}px`);
    heart.style.setProperty("--r", `${Math.random() * 40 - 20}deg`);
    heart.ariaHidden = "true";
    place.append(heart);
    setTimeout(() => heart.remove(), LONG);
  }

  async function send(): Promise<void> {
    due = false;
    const count = Math.min(pressed, MOST);
    pressed = 0;
    own += count;
    await dorami.ask("/streaming", "stream:heart", { streamKey, count }).catch(() => (own -= count)); // lost, which is no harm
  }

  place.onclick = () => {
    fly();
    pressed++;
    if (!due) setTimeout(() => void send(), EVERY);
    due = true;
  };
  viewers.on("stream:hearts", ({ count }) => {
    const mine = Math.min(own, count);
    own -= mine;
    place.dataset.heard = String(Number(place.dataset.heard ?? 0) + count - mine);
    for (let n = 0; n < Math.min(count - mine, FLYING); n++) setTimeout(fly, (n * EVERY) / Math.min(count - mine, FLYING));
  });
}
