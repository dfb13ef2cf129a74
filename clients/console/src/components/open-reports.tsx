// The number of reports that wait for a review, beside the entry in the navigation.

import type { ReportedMessagePage } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { get } from "../api";
import { number } from "../format";
import { useReportWords } from "../words/reports";

export const REPORTS = "/moderation/reports";
const EVERY = 15_000; // ms

export function OpenReports() {
  const t = useReportWords();
  const page = useQuery({ queryKey: [REPORTS, "open"], queryFn: () => get<ReportedMessagePage>(REPORTS, { status: "OPEN", limit: 1 }), refetchInterval: EVERY });
  const open = page.data?.open ?? 0;
  if (!open) return null;
  return (
    <span className="tag" data-tone="bad" title={t("waiting", { count: open })}>
      {number(open)}
    </span>
  );
}
