// The filters above a list, and the view of a list that is read in pages.

import { Button, Input, Menu, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { exported, type Query, search } from "../api";
import { csv, save } from "../csv";
import { useCommonWords } from "../words/common";
import { Empty, Loading, More } from "./page";
import { Problem } from "./problem";
import { attempt } from "./toasts";

export const Filters = ({ children }: { children: ReactNode }) => (
  <div className="filters" role="search">
    {children}
  </div>
);

interface FieldProps {
  label: string;
  value: string;
  change: (value: string) => void;
}

interface ChoiceProps extends FieldProps {
  /** Values with their labels. */
  choices: readonly (readonly [value: string, label: string])[];
}

/** A choice in a menu. */
export const Choose = ({ label, value, change, choices }: ChoiceProps) => (
  <NativeSelect size="sm" aria-label={label} value={value} onChange={(event) => change(event.currentTarget.value)} data={choices.map(([value, label]) => ({ value, label }))} />
);

/** A choice whose values are all visible. */
export const Switcher = ({ label, value, change, choices }: ChoiceProps) => (
  <div className="switcher">
    <SegmentedControl size="sm" aria-label={label} value={value} onChange={change} data={choices.map(([value, label]) => ({ value, label }))} />
  </div>
);

/** A filter by time. */
export const When = ({ label, value, change }: FieldProps) => (
  <label className="when">
    <span className="dim">{label}</span>
    <Input size="sm" type="datetime-local" value={value} onChange={(event) => change(event.currentTarget.value)} />
  </label>
);

/** A button that removes all filters of a list: `clear` of useFilters. Renders nothing without filters. */
export function ShowAll({ clear }: { clear: (() => void) | undefined }) {
  const t = useCommonWords();
  return clear ? (
    <Button variant="default" size="sm" onClick={clear}>
      {t("unfilter")}
    </Button>
  ) : null;
}

/** Downloads a list, for spreadsheets or as one JSON document per line. `name` is the name of the file. */
export function Export({ path, query, name }: { path: string; query: Query; name: string }) {
  const t = useCommonWords();
  const sheet = () => attempt(async () => save(`${name}.csv`, csv(await exported(path, query)), "text/csv;charset=utf-8"));
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" size="sm">
          {t("export")}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => void sheet()}>{t("asTable")}</Menu.Item>
        <Menu.Item component="a" href={`/api/v1${path}${search({ ...query, format: "jsonl" })}`} download={`${name}.jsonl`}>
          {t("asLines")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const PAUSE = 300; // ms without a key press before a search begins

/** A search field. It searches when the user pauses, but not while a syllable is being composed. */
export function Search({ label, value, change }: FieldProps) {
  const [text, setText] = useState(value);
  const composing = useRef(false);
  const tell = useRef(change);
  tell.current = change;
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => composing.current || tell.current(text.trim()), PAUSE);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <TextInput
      size="sm"
      type="search"
      className="grow"
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onCompositionStart={() => void (composing.current = true)}
      onCompositionEnd={(event) => {
        composing.current = false;
        setText(`${event.currentTarget.value}`);
      }}
    />
  );
}

interface Pages<T> {
  items: T[] | undefined;
  error: unknown;
  refetch: () => unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

interface ListedProps<T> {
  pages: Pages<T>;
  /** Shown in place of an empty list. */
  empty: ReactNode;
  /** Removes the filters, if there are any; then an empty list shows `noneFound`. */
  clear?: () => void;
  noneFound?: ReactNode;
  children: (items: T[]) => ReactNode;
}

/** The items of a list that were read so far, with a button for more, or the state of loading, failure or emptiness. */
export function Listed<T>({ pages, empty, clear, noneFound, children }: ListedProps<T>) {
  const { items, error } = pages;
  if (!items) return error ? <Problem error={error} retry={() => void pages.refetch()} /> : <Loading />;
  return (
    <>
      {error !== null && <Problem error={error} retry={() => void pages.refetch()} />}
      {items.length ? children(items) : clear ? <Empty action={<ShowAll clear={clear} />}>{noneFound}</Empty> : empty}
      <More query={pages} />
    </>
  );
}

/** Names with their values. */
export const Facts = ({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }) => (
  <dl className="facts">
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);
