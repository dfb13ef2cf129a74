// The command palette, which finds pages, streams and people. Ctrl K or ⌘ K opens it.

import type { StreamPage, UserPage } from "@dorami/client";
import { ActionIcon, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useState } from "react";
import { useLocation } from "wouter";
import { get } from "./api";
import { Dialog } from "./components/dialogs";
import { Icon, type IconName } from "./icons";
import { language } from "./i18n";
import { PAGES } from "./pages";
import { useRole } from "./session";
import { useShellWords } from "./words/shell";

const PAUSE = 200; // ms without a key press before streams and people are searched
const MOST = 5; // results of each kind

interface Target {
  href: string;
  label: string;
  note?: string;
  icon: IconName;
}

/** The button in the header, and the palette. */
export function Palette() {
  const t = useShellWords();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const listen = (event: globalThis.KeyboardEvent) => {
      if (event.code !== "KeyK" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      setOpen(true);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
  return (
    <>
      <ActionIcon className="palette-button" variant="default" size="lg" aria-label={t("palette")} aria-keyshortcuts="Control+K Meta+K" onClick={() => setOpen(true)}>
        <Icon name="search" />
      </ActionIcon>
      {open && (
        <Dialog opened close={() => setOpen(false)} title={t("palette")}>
          <Finder close={() => setOpen(false)} />
        </Dialog>
      )}
    </>
  );
}

function Finder({ close }: { close: () => void }) {
  const t = useShellWords();
  const [, go] = useLocation();
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const targets = useTargets(text.trim());
  const chosen = Math.min(place, targets.length - 1);
  const open = (target: Target | undefined) => {
    if (!target) return;
    close();
    go(target.href);
  };
  const press = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) setPlace((chosen + by + targets.length) % targets.length);
    else if (event.key === "Enter") open(targets[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <div className="stack" onKeyDown={press}>
      <TextInput
        role="combobox"
        aria-expanded
        aria-controls="palette"
        aria-activedescendant={targets[chosen] && `palette-${chosen}`}
        aria-label={t("search")}
        placeholder={t("search")}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setPlace(0);
        }}
        data-autofocus
      />
      <ul className="palette" id="palette" role="listbox" aria-label={t("palette")}>
        {targets.map((target, index) => (
          <li key={target.href} id={`palette-${index}`} role="option" aria-selected={index === chosen} onPointerMove={() => setPlace(index)} onClick={() => open(target)}>
            <Icon name={target.icon} />
            <span className="grow">{target.label}</span>
            {target.note && <span className="dim">{target.note}</span>}
          </li>
        ))}
      </ul>
      {!targets.length && (
        <p className="dim" role="status">
          {t("nothing")}
        </p>
      )}
    </div>
  );
}

/** The results for a text: pages by their names in both languages, and results of the gateway. */
function useTargets(text: string): Target[] {
  const role = useRole();
  const [search] = useDebouncedValue(text, PAUSE);
  const streams = useQuery({
    queryKey: ["/streams", "palette", search],
    queryFn: () => get<StreamPage>("/streams", { search, limit: MOST }),
    enabled: !!search,
    placeholderData: keepPreviousData,
  });
  const people = useQuery({
    queryKey: ["/users", "palette", search],
    queryFn: () => get<UserPage>("/users", { search, limit: MOST }),
    enabled: !!search && role === "ADMIN",
    placeholderData: keepPreviousData,
  });
  const small = text.toLowerCase();
  const pages = PAGES.filter(({ who, label }) => who.includes(role) && label && Object.values(label).some((name) => name.toLowerCase().includes(small)));
  return [
    ...pages.map(({ path, label, icon }): Target => ({ href: path, label: label![language()], icon: icon ?? "home" })),
    ...(text ? (streams.data?.items ?? []) : []).map(({ key, title }): Target => ({ href: `/streams/${key}`, label: title, note: key, icon: "streams" })),
    ...(text ? (people.data?.items ?? []) : []).map(({ id, username, email }): Target => ({ href: `/people/${id}`, label: username, note: email ?? "", icon: "people" })),
  ];
}
