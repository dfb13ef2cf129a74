// The members of the chat: searched by name and read page by page, so that large rooms cost no more than small ones.

import type { MemberPage } from "@dorami/client";
import { useState } from "react";
import { Dialog } from "../../components/dialogs";
import { Listed, Search } from "../../components/filters";
import { Empty, RoleTag } from "../../components/page";
import { usePages } from "../../lists";
import { framed, useSlice } from "../../stores";
import { useLiveWords } from "../../words/live";
import type { Person } from "./person";
import { useRoom } from "./room";

const PAGE = 50;

/** The number of people in the chat. For staff it is a button that lists them; `open` shows one of them. */
export function Members({ listed, open }: { listed: boolean; open: (person: Person) => void }) {
  const t = useLiveWords();
  const count = useSlice(framed(useRoom().chat.state), ({ members }) => members);
  const [opened, setOpened] = useState(false);
  if (!listed) return <span className="figure dim">{t("people", { count })}</span>;
  return (
    <>
      <button type="button" className="link figure" onClick={() => setOpened(true)}>
        {t("people", { count })}
      </button>
      <Dialog opened={opened} close={() => setOpened(false)} title={t("people", { count })}>
        {opened && (
          <List
            open={(person) => {
              setOpened(false);
              open(person);
            }}
          />
        )}
      </Dialog>
    </>
  );
}

function List({ open }: { open: (person: Person) => void }) {
  const t = useLiveWords();
  const room = useRoom();
  const [search, setSearch] = useState("");
  const pages = usePages<MemberPage["items"][number]>(`/streams/${room.key}/members`, { search, limit: PAGE });
  return (
    <div className="stack">
      <Search label={t("findPeople")} value={search} change={setSearch} />
      <Listed pages={pages} empty={<Empty>{t(search ? "nobodyFound" : "nobodyHere")}</Empty>}>
        {(members) => (
          <ul className="members">
            {members.map((member) => (
              <li key={member.userId}>
                <button type="button" onClick={() => open(member)}>
                  <b>{member.username}</b>
                  <RoleTag role={member.guest ? "GUEST" : member.role} />
                </button>
              </li>
            ))}
          </ul>
        )}
      </Listed>
    </div>
  );
}
