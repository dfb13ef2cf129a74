// The configuration of the shop.

import type { ShopConfig } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { get } from "./api";

const UNKNOWN: ShopConfig = { version: "", protocol: "", currency: "KRW", locale: "ko-KR", analytics: false };

export const useShop = (): ShopConfig => useQuery({ queryKey: ["/config"], queryFn: () => get<ShopConfig>("/config"), staleTime: Infinity }).data ?? UNKNOWN;
