// Words that several pages use.

import { words } from "../i18n";

export const useCommonWords = words(
  "common",
  {
    save: "Save",
    all: "All",
    stream: "Stream",
    everywhere: "Everywhere",
    from: "From",
    to: "Until",
    unfilter: "Show all",
    export: "Export",
    asTable: "CSV, for spreadsheets",
    asLines: "JSON lines, for programs",
    reason: "Reason",
    forever: "For good",
    minutes_one: "{{count}} minute",
    minutes_other: "{{count}} minutes",
    hours_one: "{{count}} hour",
    hours_other: "{{count}} hours",
    days_one: "{{count}} day",
    days_other: "{{count}} days",
  },
  {
    save: "저장",
    all: "전체",
    stream: "방송",
    everywhere: "모든 방송",
    from: "시작 시각",
    to: "끝 시각",
    unfilter: "모두 보기",
    export: "내보내기",
    asTable: "CSV (스프레드시트용)",
    asLines: "JSON Lines (프로그램용)",
    reason: "사유",
    forever: "무기한",
    minutes_other: "{{count}}분",
    hours_other: "{{count}}시간",
    days_other: "{{count}}일",
  },
);
