// Words of the start page.

import { words } from "../i18n";

export const useHomeWords = words(
  "home",
  {
    title: "Start",
    live: "Live now",
    nobodyLive: "No stream is live.",
    next: "Next up",
    nothingNext: "Nothing is scheduled.",
    moderate: "Open the room",
    since: "since {{time}}",
    peak: "Peak {{count}}",
  },
  {
    title: "시작",
    live: "지금 라이브",
    nobodyLive: "진행 중인 라이브가 없습니다.",
    next: "다음 방송",
    nothingNext: "예정된 방송이 없습니다.",
    moderate: "라이브 룸 열기",
    since: "{{time}} 시작",
    peak: "최고 {{count}}명",
  },
);
