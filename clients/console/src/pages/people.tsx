// All accounts, for administrators.

import type { UserView } from "@dorami/client";
import { Button } from "@mantine/core";
import { Choose, Filters, Listed, Search } from "../components/filters";
import { Card, Empty, PageHead, RoleTag, Tag } from "../components/page";
import { PersonLink } from "../components/person-link";
import { Table } from "../components/table";
import { day } from "../format";
import { useFilters, usePages } from "../lists";
import { useCommonWords } from "../words/common";
import { usePeopleWords } from "../words/people";
import { useShellWords } from "../words/shell";

export const ROLES = ["USER", "HOST", "MODERATOR", "ADMIN"] as const;
export type AccountRole = (typeof ROLES)[number];

export default function People() {
  const t = usePeopleWords();
  const common = useCommonWords();
  const shell = useShellWords();
  const [{ role, status, search }, filter] = useFilters("role", "status", "search");
  const pages = usePages<UserView>("/users", { role, status, search });
  const all = (
    <Button variant="default" onClick={() => filter({ role: "", status: "", search: "" })}>
      {common("unfilter")}
    </Button>
  );
  return (
    <>
      <PageHead title={t("title")} />
      <Filters>
        <Search label={t("find")} value={search} change={(search) => filter({ search })} />
        <Choose label={t("role")} value={role} change={(role) => filter({ role })} choices={[["", t("allRoles")], ...ROLES.map((role) => [role, shell(role)] as const)]} />
        <Choose
          label={t("status")}
          value={status}
          change={(status) => filter({ status })}
          choices={[
            ["", t("allStatuses")],
            ["ACTIVE", t("ACTIVE")],
            ["SUSPENDED", t("SUSPENDED")],
          ]}
        />
      </Filters>
      <Card>
        <Listed pages={pages} empty={role || status || search ? <Empty action={all}>{t("noneFound")}</Empty> : <Empty>{t("none")}</Empty>}>
          {(people) => (
            <Table
              label={t("title")}
              rows={people}
              id={({ id }) => id}
              columns={[
                {
                  name: "name",
                  head: t("name"),
                  bare: true,
                  cell: ({ id, username }) => <PersonLink id={id} name={username} />,
                },
                { name: "email", head: t("email"), cell: ({ email }) => email },
                { name: "role", head: t("role"), cell: ({ role }) => <RoleTag role={role} /> },
                { name: "status", head: t("status"), cell: ({ status }) => <Tag tone={status === "ACTIVE" ? "good" : "bad"}>{t(status as "ACTIVE")}</Tag> },
                { name: "since", head: t("since"), cell: ({ createdAt }) => <time dateTime={createdAt}>{day(createdAt)}</time> },
              ]}
            />
          )}
        </Listed>
      </Card>
    </>
  );
}
