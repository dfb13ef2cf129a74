import type { Chat, Draft } from "./chat.js";
import type { KeyValueStorage } from "./platform.js";

/**
 * Save the unsent messages of a chat, and send them when the application runs again for the same user.
 * `unsent` is called with those that are refused then. Returns a function that stops saving.
 */
export function keepUnsent(chat: Chat, storage: KeyValueStorage, unsent?: (draft: Draft, error: unknown) => void): () => void {
  let key: string | undefined; // set once the user is known and the saved messages are sent
  let loading = false;
  return chat.state.subscribe(({ you, pending }) => {
    if (key) {
      const drafts = pending.map(({ clientMessageId, message }) => ({ clientMessageId, message }));
      if (drafts.length) storage.setItem(key, JSON.stringify(drafts));
      else storage.removeItem(key);
    } else if (you && !loading) {
      loading = true;
      const name = `dorami.unsent.${you.userId}.${chat.liveId}`;
      void Promise.resolve(storage.getItem(name)).then((kept) => {
        key = name;
        for (const draft of JSON.parse(kept ?? "[]") as Draft[]) chat.send(draft.message, draft).catch((error) => unsent?.(draft, error));
      });
    }
  });
}
