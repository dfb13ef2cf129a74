// Flying hearts: own ones immediately, those of others as the gateway sums them up. Created by main.ts.

import { $, make } from "./dom";
import type { Visit } from "./visit";

const EVERY = 1000; // ms between two requests; each sends all presses since the last
const MOST = 50; // hearts in one request, the limit of the gateway
const FLYING = 30; // hearts on the page at most
const LONG = 1600; // ms for which a heart flies

export function showHearts({ dorami, viewers, key: streamKey }: Visit): void {
  const place = $("#heart");
  let pressed = 0; // since the last request
  let own = 0; // sent, and not counted in an event yet
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
    await dorami.ask("/streaming", "stream:heart", { streamKey, count }).catch(() => (own -= count)); // hearts may be lost
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
