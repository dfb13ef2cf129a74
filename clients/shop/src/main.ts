// The shop page: a live show to watch, chat in and buy from. `/?live=demo-ko&as=viewer1` is the show `demo-ko` as a seeded person.
// Tokens stay in the memory of the page, and no cookies are sent: somebody may be logged in to the console in the same browser.

import { HttpSession } from "@dorami/client";
import { showChat, showComposer } from "./chat";
import { tell, translate } from "./dom";
import { showGoods } from "./goods";
import { showHearts } from "./hearts";
import { address, showAccount, showStage } from "./stage";
import { logIn, visit } from "./visit";
import { language, reason } from "./words";

const asked = new URLSearchParams(location.search);

/** Return a session as who is asked for, or as a guest; tries until the gateway answers. */
async function enter(): Promise<HttpSession> {
  const session = new HttpSession("");
  const who = asked.get("as");
  for (let tries = 0; ; tries++) {
    try {
      await (who ? logIn(session, who) : session.guest());
      return session;
    } catch (error) {
      if (!tries) tell(reason(error), "error");
      if (who && (error as { retryable?: boolean }).retryable === false) location.replace(address({ as: undefined }));
      await new Promise((waited) => setTimeout(waited, (error as { retryAfterMs?: number }).retryAfterMs ?? 3000));
    }
  }
}

translate();
const here = visit(await enter(), asked.get("live") ?? (language === "ko" ? "demo-ko" : "demo"));
const signIn = showAccount(here);
showStage(here);
showChat(here);
showComposer(here, signIn);
showGoods(here, signIn);
showHearts(here);
here.show();
for (const room of [here.chat, here.products, here.viewers, here.notifications, ...(here.member ? [here.orders] : [])]) room.retain();
here.dorami.connect();
