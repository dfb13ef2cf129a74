// One person: the account, the connections, the history, and the actions on them.

import { DoramiError, type PasswordLink, type PersonView } from "@dorami/client";
import { Button, NativeSelect, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "wouter";
import { api, get } from "../api";
import { Act, FormDialog, refresh } from "../components/acts";
import { confirm } from "../components/dialogs";
import { Facts } from "../components/filters";
import { Card, Empty, Loading, PageHead, RoleTag, Tag } from "../components/page";
import { Problem } from "../components/problem";
import { said } from "../components/said";
import { attempt, toast, undoable } from "../components/toasts";
import { date, number } from "../format";
import { useRole, useSession } from "../session";
import { useCommonWords } from "../words/common";
import { usePeopleWords } from "../words/people";
import { useShellWords } from "../words/shell";
import { ConnectionsCard } from "./connections-card";
import { type AccountRole, type Reset, ResetLink, ROLES } from "./people";
import { SanctionTable } from "./sanctions";

const EVERY = 15_000; // ms

export default function Person() {
  const { id } = useParams<{ id: string }>();
  const t = usePeopleWords();
  const query = useQuery({ queryKey: [`/people/${id}`], queryFn: () => get<PersonView>(`/people/${id}`), refetchInterval: EVERY });
  if (query.data) return <Shown person={query.data} />;
  if (!query.error) return <Loading />;
  const back = (
    <Button variant="default" onClick={() => history.back()}>
      {t("back")}
    </Button>
  );
  return DoramiError.is(query.error, "NOT_FOUND") ? <Empty action={back}>{t("missing")}</Empty> : <Problem error={query.error} retry={() => void query.refetch()} />;
}

function Shown({ person }: { person: PersonView }) {
  const t = usePeopleWords();
  const { user } = useSession();
  const admin = useRole() === "ADMIN";
  const { counts } = person;
  const managed = admin && !person.guest && person.id !== user.id;
  const numbers = ["messages", "deletedMessages", "orders", "mutes", "bans"] as const;
  return (
    <>
      <PageHead title={person.username}>
        {!managed && <RoleTag role={person.role} />}
        {person.status === "SUSPENDED" && <Tag tone="bad">{t("SUSPENDED")}</Tag>}
        {person.id === user.id && <Tag tone="brand">{t("you")}</Tag>}
        {managed && <Actions person={person} />}
      </PageHead>
      <div className="columns">
        <Card title={t("account")}>
          <div className="card-body">
            <Facts
              facts={[
                [t("id"), <code key="id">{person.id}</code>],
                ...(person.email ? [[t("email"), person.email] as const] : []),
                [t("since"), date(person.createdAt)],
                ...(person.suspendedReason ? [[t("suspendedWhy"), person.suspendedReason] as const] : []),
                [t("online"), <Online key="online" person={person} />],
              ]}
            />
          </div>
        </Card>
        <Card
          title={t("counts")}
          actions={
            admin &&
            counts.orders > 0 && (
              <Link href={`/orders?user=${person.id}`} className="strong">
                {t("seeOrders")}
              </Link>
            )
          }
        >
          <dl className="numbers">
            {numbers.map((name) => (
              <div key={name}>
                <dt>{t(name)}</dt>
                <dd>{number(counts[name])}</dd>
              </div>
            ))}
          </dl>
        </Card>
      </div>
      <Card title={t("sanctions")}>{person.sanctions.length ? <SanctionTable sanctions={person.sanctions} unnamed /> : <Empty>{t("noSanctions")}</Empty>}</Card>
      {admin && <ConnectionsCard userId={person.id} />}
    </>
  );
}

function Online({ person }: { person: PersonView }) {
  const t = usePeopleWords();
  if (!person.online.length) return <span className="dim">{t("offline")}</span>;
  return (
    <ul className="items">
      {person.online.map(({ streamKey, watching, chat }) => (
        <li key={streamKey}>
          <Link href={`/streams/${streamKey}`}>{t(watching ? "watching" : chat ? "chatting" : "shopping", { stream: streamKey })}</Link>
        </li>
      ))}
    </ul>
  );
}

function Actions({ person }: { person: PersonView }) {
  const t = usePeopleWords();
  const shell = useShellWords();
  const { id, username: name, status } = person;
  const [suspending, setSuspending] = useState(false);
  const [reset, setReset] = useState<Reset>();
  const changed = () => refresh("/people", "/users");
  const changeRole = (role: AccountRole) =>
    attempt(async () => {
      const put = (role: string) => api("PATCH", `/users/${id}`, { role }).then(changed);
      await put(role);
      undoable(said(usePeopleWords, "roleChanged", { name, role: shell(role) }), () => put(person.role));
    });
  const unsuspend = async () => {
    await api("POST", `/users/${id}/unsuspend`);
    toast(said(usePeopleWords, "unsuspended", { name }));
    await changed();
  };
  const logout = async () => {
    if (!(await confirm({ title: t("logoutTitle", { name }), body: t("logoutText", { name, count: person.connections }), action: t("logout"), danger: true }))) return;
    await api("POST", `/users/${id}/logout-all`);
    toast(said(usePeopleWords, "loggedOut", { name }));
    await changed();
  };
  const makeLink = async () => {
    if (!(await confirm({ title: t("resetTitle", { name }), body: t("resetText"), action: t("reset") }))) return;
    setReset({ name, ...(await api<PasswordLink>("POST", `/users/${id}/password-reset`)) });
  };
  return (
    <>
      <NativeSelect
        size="sm"
        aria-label={t("changeRole")}
        value={person.role}
        onChange={(event) => void changeRole(event.currentTarget.value as AccountRole)}
        data={ROLES.map((role) => ({ value: role, label: shell(role) }))}
      />
      <Act variant="default" run={logout}>
        {t("logout")}
      </Act>
      {person.role !== "ADMIN" && (
        <Act variant="default" run={makeLink}>
          {t("reset")}
        </Act>
      )}
      {status === "SUSPENDED" ? (
        <Act run={unsuspend}>{t("unsuspend")}</Act>
      ) : (
        person.role !== "ADMIN" && (
          <Act color="red" variant="outline" run={() => setSuspending(true)}>
            {t("suspend")}
          </Act>
        )
      )}
      {suspending && <Suspend person={person} close={() => setSuspending(false)} done={changed} />}
      {reset && <ResetLink reset={reset} close={() => setReset(undefined)} />}
    </>
  );
}

function Suspend({ person: { id, username: name }, close, done }: { person: PersonView; close: () => void; done: () => Promise<unknown> }) {
  const t = usePeopleWords();
  const common = useCommonWords();
  const [reason, setReason] = useState("");
  const save = async () => {
    await api("POST", `/users/${id}/suspend`, reason.trim() ? { reason: reason.trim() } : {});
    undoable(said(usePeopleWords, "suspended", { name }), () => api("POST", `/users/${id}/unsuspend`).then(done));
    await done();
  };
  return (
    <FormDialog title={t("suspendTitle", { name })} action={t("suspend")} save={save} close={close} valid>
      <p>{t("suspendText")}</p>
      <Textarea label={common("reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} maxLength={500} rows={2} data-autofocus />
    </FormDialog>
  );
}
