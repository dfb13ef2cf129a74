// The parts of pages: head, cards, empty and loading states, tags.

import { Button, Skeleton } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { useShellWords } from "../words/shell";
import { Problem } from "./problem";

/** The title of a page, also that of the document, and its actions. */
export function PageHead({ title, children }: { title: string; children?: ReactNode }) {
  useEffect(() => void (document.title = `${title} · Dorami`), [title]);
  return (
    <header className="page-head">
      <h1>{title}</h1>
      {children && <div className="page-actions">{children}</div>}
    </header>
  );
}

/** A titled box. */
export function Card({ title, actions, children, className = "", fill = false }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string; fill?: boolean }) {
  return (
    <section className={`card ${className}`} data-fill={fill || undefined} aria-label={typeof title === "string" ? title : undefined}>
      {(title || actions) && (
        <header className="card-head">
          <h2>{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

/** A sentence in place of an empty list, and the next action. */
export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {action}
    </div>
  );
}

/** Lines of a skeleton, shown after 200 ms so that quick answers do not flicker. */
export function Loading({ lines = 4 }: { lines?: number }) {
  const t = useShellWords();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="loading" aria-busy="true" aria-label={t("loading")} role="status">
      {late && Array.from({ length: lines }, (_, line) => <Skeleton key={line} height={18} radius="sm" />)}
    </div>
  );
}

/** Show the data of a query, that it is loading, or its error. */
export function Loaded<T>({ query, lines, children }: { query: UseQueryResult<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Problem error={query.error} retry={() => void query.refetch()} />;
  return <Loading lines={lines} />;
}

/** A button that loads the next page of a list, if there is one. */
export function More({ query }: { query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown } }) {
  const t = useShellWords();
  if (!query.hasNextPage) return null;
  return (
    <div className="more">
      <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        {t("more")}
      </Button>
    </div>
  );
}

export type Tone = "neutral" | "good" | "warn" | "bad" | "brand";

/** A small label. Its colours have the contrast that axe requires, unlike light badges. */
export const Tag = ({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) => (
  <span className="tag" data-tone={tone}>
    {children}
  </span>
);

const TONES: Record<string, Tone> = { HOST: "brand", MODERATOR: "good", ADMIN: "warn" };

export function RoleTag({ role }: { role: string }) {
  const t = useShellWords();
  return <Tag tone={TONES[role]}>{t(role as "HOST")}</Tag>;
}
