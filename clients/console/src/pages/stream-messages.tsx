// The search in the messages of a stream, and their export.

import type { StoredMessage } from "@dorami/client";
import { Choose, Export, Filters, Listed, Search, When } from "../components/filters";
import { Card, Empty, RoleTag, Tag } from "../components/page";
import { PersonLink } from "../components/person-link";
import { Table } from "../components/table";
import { date } from "../format";
import { useFilters, usePages } from "../lists";
import { fromField } from "../moments";
import { useCommonWords } from "../words/common";
import { useStreamWords } from "../words/streams";

export function StreamMessages({ streamKey }: { streamKey: string }) {
  const t = useStreamWords();
  const common = useCommonWords();
  const [{ q, deleted, from, user }, filter, clear] = useFilters("q", "deleted", "from", "user");
  const path = `/streams/${streamKey}/messages`;
  const asked = { search: q, deleted: deleted && "true", from: fromField(from), userId: user };
  const pages = usePages<StoredMessage>(path, asked);
  return (
    <>
      <Filters>
        <Search label={t("findMessages")} value={q} change={(q) => filter({ q })} />
        <Choose
          label={t("which")}
          value={deleted}
          change={(deleted) => filter({ deleted })}
          choices={[
            ["", t("kept")],
            ["1", t("deleted")],
          ]}
        />
        <When label={common("from")} value={from} change={(from) => filter({ from })} />
        <Export path={path} query={asked} name={`messages-${streamKey}`} />
      </Filters>
      <Card>
        <Listed pages={pages} clear={clear} noneFound={t("noMessagesFound")} empty={<Empty>{t("noMessages")}</Empty>}>
          {(messages) => (
            <Table
              label={t("chat")}
              rows={messages}
              id={({ id }) => id}
              columns={[
                {
                  name: "sender",
                  head: t("sender"),
                  bare: true,
                  cell: ({ userId, username, role }) => (
                    <span className="row">
                      <PersonLink id={userId} name={username} />
                      {role !== "USER" && <RoleTag role={role} />}
                    </span>
                  ),
                },
                {
                  name: "message",
                  head: t("message"),
                  bare: true,
                  cell: ({ message, reason }) =>
                    message ?? (
                      <span className="row">
                        <Tag tone="bad">{t("wasDeleted")}</Tag>
                        <span className="dim">{reason}</span>
                      </span>
                    ),
                },
                { name: "time", head: t("time"), end: true, cell: ({ timestamp }) => <time dateTime={timestamp}>{date(timestamp)}</time> },
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}
