// The number of reports of the room that wait for a review, in its head.

import { Link } from "wouter";
import { Tag } from "../../components/page";
import { useStore } from "../../stores";
import { useReportWords } from "../../words/reports";
import { useRoom } from "./room";

export function OpenReportsHere() {
  const t = useReportWords();
  const room = useRoom();
  const reports = useStore(room.reports);
  if (!reports?.open) return null;
  return (
    <Link href={`/reports?room=${room.key}`}>
      <Tag tone="bad">{t("waiting", { count: reports.open })}</Tag>
    </Link>
  );
}
