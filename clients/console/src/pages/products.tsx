// The products of one stream: the one in the address, otherwise the one that is live or next.

import type { StreamPage } from "@dorami/client";
import { Button, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get } from "../api";
import { Filters } from "../components/filters";
import { Empty, Loaded, PageHead } from "../components/page";
import { useFilters } from "../lists";
import { useRole, useSession } from "../session";
import { useProductWords } from "../words/products";
import { ProductsCard } from "./products-card";

const RANKS = { LIVE: 0, SCHEDULED: 1, ENDED: 2, CANCELLED: 3 };
const MOST = 100; // streams in the menu; others have links on their own pages

export default function Products() {
  const t = useProductWords();
  const { user } = useSession();
  const own = useRole() === "HOST" ? user.id : "";
  const [{ stream }, filter] = useFilters("stream");
  const query = useQuery({ queryKey: ["/streams", "choice", own], queryFn: () => get<StreamPage>("/streams", { limit: MOST, hostId: own }) });
  return (
    <>
      <PageHead title={t("title")} />
      <Loaded query={query}>
        {({ items }) => {
          const streams = items.toSorted((one, other) => RANKS[one.status] - RANKS[other.status]);
          const key = stream || streams[0]?.key;
          if (!key)
            return (
              <Empty
                action={
                  <Button component={Link} href="/streams">
                    {t("toStreams")}
                  </Button>
                }
              >
                {t("noStreams")}
              </Empty>
            );
          const choices = streams.map(({ key, title }) => ({ value: key, label: title }));
          return (
            <>
              <Filters>
                <Select
                  size="sm"
                  className="grow"
                  aria-label={t("ofStream")}
                  searchable
                  allowDeselect={false}
                  value={key}
                  onChange={(chosen) => chosen && filter({ stream: chosen })}
                  data={choices.some(({ value }) => value === key) ? choices : [...choices, { value: key, label: key }]}
                />
              </Filters>
              <ProductsCard key={key} streamKey={key} />
            </>
          );
        }}
      </Loaded>
    </>
  );
}
