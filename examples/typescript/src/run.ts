// Runs a file and prints what it writes, as it comes; what is typed here goes to the program.
//
//   npm install && npm run build
//   npm start -- LANGUAGE FILE
//
// A dropped connection is made again and the stream continues behind the last event.

import { readFile } from "node:fs/promises";
import { argv, env, exit, stderr, stdin, stdout } from "node:process";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

type Chunk = { __typename: "OutputChunk"; kind: string; stream: string; bytes: string };
type Step = { exitCode: number | null; reason: string | null };
type Finished = { __typename: "AttemptFinished"; attempt: { verdict: string; steps: Step[] } };
type Started = { __typename: "StepStarted"; kind: string };
type Event = { cursor: string } & (Chunk | Finished | Started | { __typename: "StateChanged" });
type Answer<T> = { data?: T | null; errors?: readonly { message: string }[] };

const url = `${env.CODECANVAS_SERVER ?? "http://localhost:10100"}/graphql`;
const authorization = `Bearer ${env.CODECANVAS_TOKEN ?? ""}`;

async function ask<T>(query: string, variables: object): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await response.json()) as Answer<T>;
  if (answer.errors?.[0]) throw new Error(answer.errors[0].message);
  if (!answer.data) throw new Error(`no data, status ${response.status}`);
  return answer.data;
}

/** Sends what is typed. Each write carries its offset, so one that is sent twice counts once. */
async function forwardInput(attemptId: string): Promise<void> {
  const write = (offset: number, bytes: string, isEnd: boolean) =>
    ask(`mutation ($input: WriteStdinInput!) { writeStdin(input: $input) { nextOffset } }`, {
      input: { attemptId, offset, bytes, isEnd },
    });
  let offset = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    await write(offset, chunk.toString("base64"), false);
    offset += chunk.length;
  }
  await write(offset, "", true);
}

async function main(language: string, path: string): Promise<number> {
  const source = await readFile(path, "utf8");
  const { submitCode } = await ask<{ submitCode: { attempt: { id: string } } }>(
    `mutation ($input: SubmitCodeInput!) { submitCode(input: $input) { attempt { id } } }`,
    { input: { language, source, isInteractive: true } },
  );
  const attemptId = submitCode.attempt.id;

  let after: string | null = null;
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    // Subscriptions are made again here, behind the cursor, and not from their beginning.
    retryAttempts: 0,
  });
  const subscribe = (id: string, cursor: string | null) =>
    client.iterate<{ attemptEvents: Event }>({
      query: `subscription ($id: ID!, $after: String) {
        attemptEvents(attemptId: $id, after: $after) {
          __typename
          cursor
          ... on StepStarted { kind }
          ... on OutputChunk { kind stream bytes }
          ... on AttemptFinished { attempt { verdict steps { exitCode reason } } }
        }
      }`,
      variables: { id, after: cursor },
    });
  for (let tries = 0; tries < 10; tries += 1) {
    try {
      for await (const { data, errors } of subscribe(attemptId, after)) {
        if (errors?.[0]) throw errors[0];
        const event: Event | undefined = data?.attemptEvents;
        if (!event) continue;
        after = event.cursor;
        tries = 0;
        if (event.__typename === "StepStarted" && event.kind === "RUN") {
          // A program that ends without reading leaves input behind; that is no error.
          forwardInput(attemptId).catch(() => undefined);
        } else if (event.__typename === "OutputChunk") {
          const isOutput = event.kind === "RUN" && event.stream === "STDOUT";
          (isOutput ? stdout : stderr).write(Buffer.from(event.bytes, "base64"));
        } else if (event.__typename === "AttemptFinished") {
          const { verdict, steps } = event.attempt;
          if (verdict === "OK") return 0;
          stderr.write(`${verdict} ${steps.at(-1)?.reason ?? ""}\n`);
          return steps.at(-1)?.exitCode || 1;
        }
      }
    } catch (error) {
      // What the service refused stays refused; a lost connection is tried again.
      if (!(error instanceof Object && "code" in error) || Number(error.code) >= 4400) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** tries));
  }
  throw new Error("the connection is lost");
}

const [language, path] = argv.slice(2);
if (!language || !path) {
  stderr.write("npm start -- LANGUAGE FILE\n");
  exit(64);
}
exit(
  await main(language, path).catch((error: unknown) => {
    stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 69;
  }),
);
