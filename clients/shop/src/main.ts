// The shop page: a live show with chat and products. `/?live=demo-ko&as=viewer1` is the show `demo-ko` for a seeded user.
// Tokens stay in the memory of the page, and no cookies are sent: the same browser may be logged in to the console.

import { HttpSession } from "@dorami/client";
import { showChat, showComposer } from "./chat";
import { tell, translate } from "./dom";
import { showGoods } from "./goods";
import { showHearts } from "./hearts";
import { address, showAccount, showStage } from "./stage";
import { logIn, visit } from "./visit";
import { language, reason } from "./words";

const asked = new URLSearchParams(location.search);

/** Return a session of the requested user, or of a guest; repeats until the gateway answers. */
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
