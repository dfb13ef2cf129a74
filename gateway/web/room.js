// Following one room: join, then everything that happens in it, in order, nothing twice, also after a lost connection.
// Used by chat.js, products.js and viewers.js.

/**
 * Stay in a room for as long as there is a connection.
 *
 * - `join`: {event, payload} that enters the room; after a gap it carries `since`, the place in the room's log we had reached
 * - `heard`: event name → what to do with its `data`
 * - `snapshot`: what to do with the answer to a join that starts afresh
 * - `admitted`: what to do with what every answer says, before anything newer is heard
 * - `failed`: told of a join that was refused for good
 */
export class Room {
  #realtime;
  #namespace;
  #options;
  #cursor; // {epoch, seq}: the last place in the log that was applied
  #held = []; // what was heard before the join was answered, and what the answer may already contain
  #inside = false;
  #visit = 0; // counts connections, so that an answer to an earlier one is recognised

  constructor(realtime, namespace, options) {
    this.#realtime = realtime;
    this.#namespace = namespace;
    this.#options = options;
    realtime.on(namespace, "connect", () => this.#join());
    realtime.on(namespace, "disconnect", () => {
      this.#inside = false;
    });
    for (const event of Object.keys(options.heard)) {
      realtime.on(namespace, event, (payload, offset) => {
        const heard = [event, payload, offset && Number(offset.slice(offset.lastIndexOf(".") + 1))];
        if (this.#inside) this.#apply(...heard);
        else this.#held.push(heard);
      });
    }
  }

  get inside() {
    return this.#inside;
  }

  /** Start afresh: the next join is somebody's first. */
  forget() {
    this.#cursor = undefined;
    this.#inside = false;
  }

  async #join() {
    const visit = ++this.#visit;
    this.#held = [];
    const { event, payload } = this.#options.join;
    const answer = await this.#ask(event, { ...payload, since: this.#cursor }, () => visit === this.#visit);
    if (visit !== this.#visit || !answer) return;
    if (answer.recovered) for (const missed of answer.events) this.#apply(missed.event, missed.payload, missed.seq);
    else this.#options.snapshot(answer);
    this.#options.admitted?.(answer);
    this.#cursor = answer.cursor;
    this.#inside = true;
    for (const heard of this.#held) this.#apply(...heard);
    this.#options.joined?.(answer);
  }

  /** Ask until there is an answer, as long as this connection lives. */
  async #ask(event, payload, current) {
    while (current() && this.#realtime.isConnected(this.#namespace)) {
      try {
        return await this.#realtime.request(this.#namespace, event, payload);
      } catch (error) {
        if (!error.retryable) {
          this.#options.failed(error);
          return null;
        }
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? 1000));
      }
    }
    return null;
  }

  /** `seq`: its place in the room's log, if it has one. */
  #apply(event, payload, seq) {
    if (this.#cursor && seq !== undefined) {
      if (seq <= this.#cursor.seq) return;
      this.#cursor = { ...this.#cursor, seq };
    }
    this.#options.heard[event]?.(payload.data ?? payload);
  }
}
