// Lists of the API that are read in pages, and filters that are stored in the address.

import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "wouter";
import { get, type Query } from "./api";

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Read a list page by page; `items` are those read so far. Its key begins with `path`, so invalidate `[path]`. */
export function usePages<T>(path: string, query: Query = {}) {
  const pages = useInfiniteQuery({
    queryKey: [path, query],
    queryFn: ({ pageParam, signal }) => get<Page<T>>(path, { ...query, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
  });
  const items = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data]);
  return { ...pages, items };
}

/** Return the filters in the address, a function that changes some of them, and one that removes all (undefined without filters). */
export function useFilters<K extends string>(...names: K[]): [Record<K, string>, (change: Partial<Record<K, string>>) => void, (() => void) | undefined] {
  const [params, setParams] = useSearchParams();
  const filters = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""])) as Record<K, string>;
  const change = (changed: Partial<Record<K, string>>) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changed) as [string, string][]) {
          if (value) after.set(name, value);
          else after.delete(name);
        }
        return after;
      },
      { replace: true },
    );
  const clear = () => change(Object.fromEntries(names.map((name) => [name, ""])) as Record<K, string>);
  return [filters, change, names.some((name) => filters[name]) ? clear : undefined];
}
