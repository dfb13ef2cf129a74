// How many watch a stream, and whether it is live. Built by main.js.

import { notify } from "./notices.js";
import { Room } from "./room.js";

const count = new Intl.NumberFormat("en");

export class Viewers {
  #room;
  #stage = document.querySelector("#stage");
  #number = document.querySelector("#viewers");
  #word = document.querySelector("#viewers-word");
  #live = document.querySelector("#live");
  #screen = document.querySelector("#screen-text");

  constructor(realtime, streamKey) {
    this.#room = new Room(realtime, "/streaming", {
      join: { event: "stream:viewer:join", payload: { streamKey } },
      snapshot: ({ viewerCount, live }) => {
        this.#show(viewerCount);
        this.#showLive(live);
      },
      failed: (error) => notify(`The stream cannot be watched: ${error.message}`),
      heard: {
        "stream:viewer:update": ({ viewerCount }) => this.#show(viewerCount),
        "stream:started": () => {
          this.#showLive(true);
          notify("The stream has started", "success");
        },
        "stream:ended": () => {
          this.#showLive(false);
          this.#screen.textContent = "The stream has ended. Thank you for watching!";
          notify("The stream has ended", "news");
        },
      },
    });
  }

  /** Forget everything: the next one to look may be somebody else. */
  clear() {
    this.#room.forget();
    this.#number.textContent = "–";
  }

  #show(viewers) {
    this.#number.textContent = count.format(viewers);
    this.#word.textContent = viewers === 1 ? "viewer" : "viewers";
  }

  #showLive(live) {
    this.#live.textContent = live ? "Live" : "Off air";
    this.#stage.classList.toggle("on", live);
    this.#screen.textContent = live ? "The video plays here" : "The stream is off air";
  }
}
