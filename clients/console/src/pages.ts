// The registry of pages: one line for each. A page is loaded when it is opened.

import { type ComponentType, lazy } from "react";
import { OpenReports } from "./components/open-reports";
import type { IconName } from "./icons";
import type { Language } from "./i18n";
import { type Role, STAFF } from "./session";

export interface Page {
  /** The path below /console, a pattern of wouter: `/streams/:key`. */
  path: string;
  component: ComponentType;
  who: readonly Role[];
  /** The entry in the navigation; pages without one are linked from others. */
  label?: Record<Language, string>;
  icon?: IconName;
  /** A number beside the entry. */
  badge?: ComponentType;
}

type Load = () => Promise<{ default: ComponentType }>;
const page = (path: string, load: Load, who: readonly Role[] = STAFF): Page => ({ path, component: lazy(load), who });
const entry = (path: string, icon: IconName, en: string, ko: string, load: Load, who?: readonly Role[]): Page => ({
  ...page(path, load, who),
  icon,
  label: { en, ko },
});

const ADMIN: readonly Role[] = ["ADMIN"];
const HOSTS: readonly Role[] = ["HOST", "ADMIN"];

export const PAGES: readonly Page[] = [
  entry("/", "home", "Start", "시작", () => import("./pages/home")),
  entry("/live", "live", "Live room", "라이브 룸", () => import("./pages/live")),
  page("/live/:key", () => import("./pages/live")),
  entry("/streams", "streams", "Streams", "방송", () => import("./pages/streams")),
  page("/streams/:key", () => import("./pages/stream")),
  entry("/products", "products", "Products", "상품", () => import("./pages/products")),
  entry("/orders", "orders", "Orders", "주문", () => import("./pages/orders"), HOSTS),
  entry("/sanctions", "sanctions", "Sanctions", "제재", () => import("./pages/sanctions")),
  { ...entry("/reports", "flag", "Reports", "신고", () => import("./pages/reports")), badge: OpenReports },
  entry("/people", "people", "People", "사용자", () => import("./pages/people"), ADMIN),
  page("/people/:id", () => import("./pages/person")),
  entry("/words", "words", "Word lists", "금칙어", () => import("./pages/words"), ADMIN),
  entry("/log", "log", "Log", "운영 기록", () => import("./pages/log")),
  entry("/notifications", "notifications", "Notifications", "알림", () => import("./pages/notifications"), ADMIN),
  entry("/cluster", "cluster", "Cluster", "클러스터", () => import("./pages/cluster"), ADMIN),
  entry("/jobs", "jobs", "Jobs and replays", "작업과 다시보기", () => import("./pages/jobs"), ADMIN),
  page("/account", () => import("./pages/account")),
];
