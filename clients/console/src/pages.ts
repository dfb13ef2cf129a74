// The registry of pages: one line for each. A page is loaded when it is opened.

import { type ComponentType, lazy } from "react";
import type { IconName } from "./icons";
import type { Language } from "./i18n";
import { type Role, STAFF } from "./session";

export interface Page {
  /** Below /console, as wouter writes patterns: `/streams/:key`. */
  path: string;
  component: ComponentType;
  who: readonly Role[];
  /** The entry in the navigation; pages without one are reached from others. */
  label?: Record<Language, string>;
  icon?: IconName;
}

type Load = () => Promise<{ default: ComponentType }>;
const page = (path: string, load: Load, who: readonly Role[] = STAFF): Page => ({ path, component: lazy(load), who });
const entry = (path: string, icon: IconName, en: string, ko: string, load: Load, who?: readonly Role[]): Page => ({
  ...page(path, load, who),
  icon,
  label: { en, ko },
});

export const PAGES: readonly Page[] = [
  entry("/", "home", "Start", "시작", () => import("./pages/home")),
  entry("/live", "live", "Live room", "라이브 룸", () => import("./pages/live")),
  page("/live/:key", () => import("./pages/live")),
];
