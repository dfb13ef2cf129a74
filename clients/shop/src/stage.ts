// The stage: video and sound, the host, the viewer count, and notes before and after the show and without a connection.

import { DoramiError, type StreamList, type StreamView } from "@dorami/client";
import { $, dialog, follow, hue, make, tell, translate, write } from "./dom";
import { PEOPLE, type Visit } from "./visit";
import { clock, type Language, language, reason, remaining, speak, t } from "./words";

export function showStage(visit: Visit): void {
  const { session, dorami, viewers, products, notifications, key, watch, now } = visit;
  const stage = $("#stage");
  const video = $<HTMLVideoElement>("#video");
  const sound = $("#sound");
  let missing = false; // there is no such stream

  /** Read the stream again: its title, its times, whether it has ended. */
  async function look(): Promise<void> {
    try {
      visit.stream = await session.call<StreamView>("GET", `/streams/${encodeURIComponent(key)}`);
    } catch (error) {
      missing = DoramiError.is(error, "NOT_FOUND");
      if (!missing) return; // it is read again after the next connect
    }
    visit.show();
  }

  /** Return whether the show is running: events of the room are newer than the stream that was read. */
  const live = (): boolean => (viewers.state.get().status === "joined" ? viewers.state.get().live : visit.stream?.status === "LIVE");

  function show(): void {
    const { stream } = visit;
    const title = stream?.title ?? "Dorami";
    write($("#title"), title);
    write($("#subtitle"), stream?.description ?? "");
    write($(".face"), [...title][0]!);
    $(".face").style.setProperty("--hue", hue(title));
    document.title = title;
    $("#live").hidden = !live();
    $("#viewers").hidden = viewers.state.get().status !== "joined" && !viewers.state.get().viewers;
    write($("#viewers"), t("watching", { n: viewers.state.get().viewers }));
    stage.dataset.show = missing ? "unknown" : !stream ? "" : live() ? "live" : stream.status === "SCHEDULED" ? "before" : "over";
    write($("#name"), session.user && visit.member ? session.user.username : t("guest"));
    $("#me").ariaLabel = `${$("#name").textContent}, ${t("account")}`;
    write($("#language"), t("other"));
    $("#language").ariaLabel = t("language");
    sound.ariaLabel = t(video.muted ? "sound" : "mute");
    sound.ariaPressed = String(!video.muted);
    curtain();
    connection();
  }

  function curtain(): void {
    const { stream } = visit;
    const kind = stage.dataset.show;
    const place = $("#curtain");
    place.hidden = !kind || kind === "live";
    let said = "";
    let time = "";
    let note = "";
    if (kind === "unknown") said = t("unknown");
    else if (kind === "before") {
      const ms = stream!.scheduledAt ? Date.parse(stream!.scheduledAt) - now() : 0;
      said = ms > 0 ? t("startsIn") : t("soon");
      if (ms > 0) [time, note] = [remaining(ms), clock(stream!.scheduledAt!)];
    } else if (kind === "over") {
      const peak = Math.max(stream!.peakViewers, viewers.state.get().peak);
      said = t(stream!.status === "CANCELLED" ? "called" : "ended");
      if (peak) note = t("endedNote", { n: peak });
    }
    write($(".said", place), said);
    write($(".time", place), time);
    write($(".note", place), note);
  }

  function connection(): void {
    const { state, error } = dorami.status.get();
    stage.dataset.connection = state;
    const place = $("#connection");
    place.hidden = state === "connected" || state === "idle";
    $("#again").hidden = state !== "refused";
    write($("span", place), state === "refused" ? t("refused", { why: reason(error) }) : t(state === "recovering" ? "recovering" : "connecting"));
  }

  video.addEventListener("loadeddata", () => {
    video.hidden = sound.hidden = false;
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {}); // the poster stays
  });
  video.src = "/assets/show.mp4"; // missing without ffmpeg: then the poster is animated
  sound.onclick = () => {
    video.muted = !video.muted;
    void video.play().catch(() => {});
    show();
  };
  $("#language").onclick = () => {
    speak(({ ko: "en", en: "ko" } as Record<Language, Language>)[language]);
    translate();
    visit.show();
  };
  $("#again").onclick = () => location.reload();
  viewers.state.subscribe(show);
  viewers.on("stream:started", look);
  viewers.on("stream:ended", look);
  products.on("upcoming:updated", look);
  notifications.on("notification:new", ({ title, message }) => tell(message, "news", title));
  dorami.status.subscribe(({ state }) => {
    connection();
    if (state === "connected") void look();
  });
  watch(show);
  watch(() => stage.dataset.show === "before" && curtain(), "timed");
  for (const event of ["visibilitychange", "online"]) addEventListener(event, () => document.visibilityState === "visible" && dorami.wake());
  void look();
}

/** Return the address of this page for another user or stream. */
export function address(change: Record<string, string | undefined>): string {
  const asked = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) asked.delete(name);
    else asked.set(name, value);
  }
  return `/?${asked}`;
}

/** The dialog that changes the user or the show; returns the function that opens it. */
export function showAccount({ session, key, watch, member }: Visit): () => void {
  const account = dialog("#account");
  let streams: readonly StreamView[] = [];

  function link(item: HTMLLIElement | undefined, href: string, name: string, note: string, current: boolean): HTMLLIElement {
    const made = item ?? make("li", "", make("a", "", make("span", "face", [...name][0]!), make("b"), make("small")));
    const anchor = made.firstElementChild as HTMLAnchorElement;
    anchor.href = href;
    anchor.ariaCurrent = String(current);
    $(".face", anchor).ariaHidden = "true";
    $(".face", anchor).style.setProperty("--hue", hue(name));
    write($("b", anchor), name);
    write($("small", anchor), note);
    return made;
  }

  function show(): void {
    const { username = "" } = session.user ?? {};
    write($("#you"), member ? t("signedInAs", { who: username }) : t("asGuest"));
    $("#sign-out").hidden = !member;
    follow<[string, readonly [string, "viewer" | "host" | "admin"]], HTMLLIElement>($("#people"), Object.entries(PEOPLE), ([who]) => who, ([who, [name, role]], item) =>
      link(item, address({ as: who }), name, t(role), member && name === username));
    follow<StreamView, HTMLLIElement>($("#streams"), streams, (stream) => stream.key, (stream, item) =>
      link(item, address({ live: stream.key }), stream.title, stream.description, stream.key === key));
  }

  const open = () => {
    show();
    account.showModal();
    session.call<StreamList>("GET", "/streams/active").then(
      (list) => {
        streams = list.streams;
        show();
      },
      (error) => tell(reason(error), "error"),
    );
  };
  $("#me").onclick = open;
  $("#sign-out").onclick = async () => {
    await session.logout().catch(() => {}); // this page drops its tokens even if that fails
    location.assign(address({ as: undefined }));
  };
  watch(show);
  return open;
}
