// Errors: a description, the id of the request, and a retry button that waits as long as the gateway requests.

import { DoramiError } from "@dorami/client";
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { useErrorWords } from "../words/errors";

type Key = Parameters<ReturnType<typeof useErrorWords>>[0];

/** Return a function that describes an error in a sentence. */
export function useDescribe(): (error: unknown) => string {
  const t = useErrorWords();
  return (error) => (DoramiError.is(error) ? t(error.code satisfies Key) : t("UNKNOWN"));
}

/** The seconds until an error may be retried, counted down. */
export function useWait(error: unknown): number {
  const ms = DoramiError.is(error) ? (error.retryAfterMs ?? 0) : 0;
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const until = Date.now() + ms;
    const count = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    count();
    const timer = setInterval(count, 500);
    return () => clearInterval(timer);
  }, [error, ms]);
  return left;
}

/** The message of the server. It is English, so it is shown only if it contains names or values. */
function Details({ error }: { error: DoramiError }) {
  const t = useErrorWords();
  const { code, details, message, requestId } = error;
  return (
    <>
      {["INVALID_PAYLOAD", "CONFLICT"].includes(code) && <span className="problem-detail">{t("said", { message })}</span>}
      {code === "INVALID_PAYLOAD" && Array.isArray(details) && (
        <ul className="problem-detail">
          {details.map(({ field, problem }: { field: string; problem: string }) => (
            <li key={field}>
              <code>{field}</code> {problem}
            </li>
          ))}
        </ul>
      )}
      {requestId && <code className="problem-detail">{t("request", { id: requestId })}</code>}
    </>
  );
}

/** An error of a query or a form, with a retry if there is one. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const t = useErrorWords();
  const describe = useDescribe();
  const wait = useWait(error);
  if (!error) return null;
  return (
    <div className="problem" role="alert">
      <span>{describe(error)}</span>
      {DoramiError.is(error) && <Details error={error} />}
      {wait > 0 && !retry && <span>{t("wait", { count: wait })}</span>}
      {retry && (
        <Button size="compact-sm" variant="default" disabled={wait > 0} onClick={retry}>
          {wait > 0 ? t("wait", { count: wait }) : t("retry")}
        </Button>
      )}
    </div>
  );
}
