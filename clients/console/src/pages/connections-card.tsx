// The current connections of a person on all nodes.

import type { ConnectionList, ConnectionView } from "@dorami/client";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, get } from "../api";
import { Act, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Card, Empty, Loaded } from "../components/page";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { ago, date } from "../format";
import { useClusterWords } from "../words/cluster";

export function ConnectionsCard({ userId }: { userId: string }) {
  const t = useClusterWords();
  const path = "/cluster/connections";
  const query = useQuery({ queryKey: [path, userId], queryFn: () => get<ConnectionList>(path, { userId }) });
  const cut = async ({ id }: ConnectionView) => {
    if (!(await confirm({ title: t("disconnectTitle"), body: t("disconnectText"), action: t("disconnect"), danger: true }))) return;
    await api("DELETE", `${path}/${id}`);
    toast(said(useClusterWords, "disconnected"));
    await refresh(path);
  };
  const again = (
    <Button size="compact-sm" variant="default" loading={query.isFetching} onClick={() => void query.refetch()}>
      {t("refresh")}
    </Button>
  );
  return (
    <Card title={t("connections")} actions={again}>
      <Loaded query={query}>
        {({ items, silent }) => (
          <>
            {silent.length > 0 && <p className="card-body">{t("silent", { names: silent.join(", ") })}</p>}
            {items.length ? (
              <Table
                label={t("connections")}
                rows={items}
                id={({ id }) => id}
                columns={[
                  { name: "address", head: t("address"), bare: true, cell: ({ address }) => <code>{address}</code> },
                  { name: "transport", head: t("transport"), cell: ({ transport }) => transport },
                  { name: "node", head: t("node"), cell: ({ node }) => node },
                  { name: "rooms", head: t("rooms"), cell: ({ rooms }) => rooms.join(", ") },
                  {
                    name: "connected",
                    head: t("connected"),
                    cell: ({ connectedAt }) => (
                      <time dateTime={connectedAt} title={date(connectedAt)}>
                        {ago(connectedAt)}
                      </time>
                    ),
                  },
                  {
                    name: "actions",
                    head: "",
                    bare: true,
                    end: true,
                    cell: (connection) => (
                      <Act size="compact-sm" variant="default" run={() => cut(connection)}>
                        {t("disconnect")}
                      </Act>
                    ),
                  },
                ]}
              />
            ) : (
              <Empty>{t("noConnections")}</Empty>
            )}
          </>
        )}
      </Loaded>
    </Card>
  );
}
