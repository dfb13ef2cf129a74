// All accounts, for administrators.

import type { CreatedUser, PasswordLink, UserView } from "@dorami/client";
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { api } from "../api";
import { FormDialog, Once, refresh } from "../components/acts";
import { Choose, Filters, Listed, Search } from "../components/filters";
import { Card, Empty, PageHead, RoleTag, Tag } from "../components/page";
import { PersonLink } from "../components/person-link";
import { said } from "../components/said";
import { Table } from "../components/table";
import { toast } from "../components/toasts";
import { date, day } from "../format";
import { useFilters, usePages } from "../lists";
import { usePeopleWords } from "../words/people";
import { useShellWords } from "../words/shell";

export const ROLES = ["USER", "HOST", "MODERATOR", "ADMIN"] as const;
export type AccountRole = (typeof ROLES)[number];

/** A link that sets a password once. */
export interface Reset extends PasswordLink {
  name: string;
}

export default function People() {
  const t = usePeopleWords();
  const shell = useShellWords();
  const [{ role, status, search }, filter, clear] = useFilters("role", "status", "search");
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<Reset>();
  const pages = usePages<UserView>("/users", { role, status, search });
  return (
    <>
      <PageHead title={t("title")}>
        <Button onClick={() => setCreating(true)}>{t("create")}</Button>
      </PageHead>
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
        <Listed pages={pages} clear={clear} noneFound={t("noneFound")} empty={<Empty>{t("none")}</Empty>}>
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
      {creating && <Create close={() => setCreating(false)} done={setMade} />}
      {made && <ResetLink reset={made} close={() => setMade(undefined)} />}
    </>
  );
}

function Create({ close, done }: { close: () => void; done: (reset: Reset) => void }) {
  const t = usePeopleWords();
  const shell = useShellWords();
  const [email, setEmail] = useState("");
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<string>("HOST");
  const save = async () => {
    const { user, link } = await api<CreatedUser>("POST", "/users", { email: email.trim(), username: username.trim(), role });
    toast(said(usePeopleWords, "created", { name: user.username }));
    if (link) done({ name: user.username, ...link });
    await refresh("/users");
  };
  return (
    <FormDialog title={t("create")} action={t("create")} save={save} close={close} valid={email.includes("@") && !!username.trim()}>
      <p className="dim">{t("createText")}</p>
      <TextInput label={t("name")} value={username} onChange={(event) => setUsername(event.currentTarget.value)} maxLength={32} required data-autofocus autoComplete="off" />
      <TextInput label={t("email")} type="email" value={email} onChange={(event) => setEmail(event.currentTarget.value)} maxLength={254} required autoComplete="off" />
      <NativeSelect label={t("role")} value={role} onChange={(event) => setRole(event.currentTarget.value)} data={ROLES.map((role) => ({ value: role, label: shell(role) }))} />
    </FormDialog>
  );
}

/** Shows a link that sets a password. */
export function ResetLink({ reset: { name, token, expiresAt }, close }: { reset: Reset; close: () => void }) {
  const t = usePeopleWords();
  return <Once title={t("resetShown", { name })} text={t("resetOnce", { name, time: date(expiresAt) })} value={`${location.origin}/console/password#${token}`} close={close} />;
}
