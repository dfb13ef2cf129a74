// The cache of answers of the API. Pages read it with useQuery; events of the gateway update it.

import { DoramiError } from "@dorami/client";
import { QueryClient } from "@tanstack/react-query";

const TRIES = 2;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < TRIES && DoramiError.is(error) && error.retryable && error.code !== "RATE_LIMIT_EXCEEDED",
      retryDelay: (failures) => 500 * 2 ** failures,
      refetchOnWindowFocus: true,
    },
    mutations: { networkMode: "always" }, // the error of the request says that the gateway cannot be reached
  },
});
