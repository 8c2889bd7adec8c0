// Submits programs over HTTP, watches them over a WebSocket, and compares what comes.
//
//   node --experimental-websocket demo.mjs URL STATE            submits and compares
//   node --experimental-websocket demo.mjs URL STATE --again    after a restart: is everything still there?
//
// STATE is a file that the first call writes and the second one reads.
import { readFileSync, writeFileSync } from "node:fs";

const [url, stateFile, mode] = process.argv.slice(2);
const program = (name) => readFileSync(new URL(`programs/${name}`, import.meta.url), "utf8");

// ---- the API

async function ask(query, variables, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return response.json();
}

async function must(query, variables, token) {
  const { data, errors } = await ask(query, variables, token);
  if (errors) throw new Error(errors.map((error) => error.message).join("; "));
  return data;
}

const STEP = `kind verdict exitCode signal reason stdout { text totalBytes } stderr { text }`;
const EVENTS = `subscription($id: ID!) { attemptEvents(attemptId: $id) { __typename sequence at
  ... on OutputChunk { stream text } ... on AttemptFinished { attempt { verdict steps { ${STEP} } } } } }`;

/** All events of an attempt by graphql-transport-ws, each with the moment it came in. */
function watch(id, token) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const events = [];
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
    socket.onerror = (event) => reject(new Error(`WebSocket: ${event.message ?? "failed"}`));
    socket.onclose = (event) => reject(new Error(`WebSocket closed: ${event.code} ${event.reason}`));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        send({ id: "1", type: "subscribe", payload: { query: EVENTS, variables: { id } } });
      } else if (message.type === "next") {
        events.push({ ...message.payload.data.attemptEvents, received: Date.now() });
      } else if (message.type === "error") {
        reject(new Error(JSON.stringify(message.payload)));
      } else if (message.type === "complete") {
        resolve(events);
        socket.close();
      } else if (message.type === "ping") {
        send({ type: "pong" });
      }
    };
  });
}

async function run(input, token) {
  const { submitCode } = await must(
    `mutation($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } attempt { id } } }`,
    { input },
    token,
  );
  const events = await watch(submitCode.attempt.id, token);
  const chunks = events.filter((event) => event.__typename === "OutputChunk");
  const { attempt } = events.at(-1);
  return {
    submission: submitCode.submission.id,
    events,
    chunks,
    ...attempt,
    step: attempt.steps.at(-1),
    stdout: chunks.filter((chunk) => chunk.stream === "STDOUT").map((chunk) => chunk.text).join(""),
  };
}

// ---- comparing

let passed = 0;
let failed = 0;

async function check(name, action) {
  try {
    const note = await action();
    passed += 1;
    console.log(`ok      ${name}${note ? `: ${note}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

function same(what, found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
  }
}

function holds(what, isTrue) {
  if (!isTrue) throw new Error(what);
}

// ---- what is tried

const PROGRAMS = [
  ["python3", "words.py", "The cat and the dog and the bird.\n", "the   ###\nand   ##\nbird  #\n"],
  [
    "nodejs",
    "totals.js",
    '{"customer":"eve","amount":1.5}\n{"customer":"ada","amount":2}\n{"customer":"eve","amount":0.25}\n',
    "ada: 2.00\neve: 1.75\n",
  ],
  ["c++", "paths.cpp", "4 4\n1 2 5\n2 3 1\n1 3 9\n3 4 2\n", "1 0\n2 5\n3 6\n4 8\n"],
  ["go", "sieve.go", "200\n", "46 primes, the largest is 199\n"],
  ["bash", "marks.sh", "ada 1\nbob 2\nada 2\nbob 2\nbob 3\n", "ada 1.50\nbob 2.33\n"],
  ["rust", "fibonacci.rs", "10\n1000000000000\n", "55\n730695249\n"],
  ["c", "matrix.c", "2 10\n1 1\n1 0\n", "89 55\n55 34\n"],
];

const ENDINGS = [
  ["an endless loop", "c", "int main(void) { for (;;) {} }", "CPU_TIME_LIMIT", { limits: { cpuTimeMs: 500 } }],
  ["sleeping too long", "bash", "sleep 60", "WALL_TIME_LIMIT", { limits: { wallTimeMs: 700 } }],
  ["too much memory", "python3", "x = []\nwhile True: x.append(bytearray(1 << 20))", "MEMORY_LIMIT", {}],
  ["an exception", "python3", "raise SystemExit(3)", "RUNTIME_ERROR", { exitCode: 3 }],
  ["a segmentation fault", "c", "int main(void) { *(volatile int *)0 = 1; }", "RUNTIME_ERROR", { signal: "SEGV" }],
  ["a flood of output", "bash", "yes", "OUTPUT_LIMIT", {}],
];

async function first() {
  const username = `demo-${Date.now().toString(36)}`;
  const password = "correct horse battery staple";
  const { register } = await must(
    `mutation($input: RegisterInput!) { register(input: $input) { token } }`,
    { input: { username, password } },
  );
  const token = register.token;
  const submissions = [];

  for (const [language, file, stdin, expected] of PROGRAMS) {
    await check(`${language}: ${file}`, async () => {
      const result = await run({ language, source: program(file), stdin }, token);
      submissions.push([result.submission, result.verdict]);
      same("verdict", `${result.verdict} ${result.step.stderr.text}`, "OK ");
      same("output", result.stdout, expected);
      same("stored output", result.step.stdout.text, expected);
      same("sequence", result.events.map((event) => event.sequence), [...result.events.keys()]);
    });
  }

  await check("slow output arrives piece by piece", async () => {
    const source = "for i in 1 2 3 4; do echo $i; sleep 0.3; done";
    const result = await run({ language: "bash", source }, token);
    submissions.push([result.submission, result.verdict]);
    same("output", result.stdout, "1\n2\n3\n4\n");
    const spread = result.chunks.at(-1).received - result.chunks[0].received;
    holds(`${result.chunks.length} pieces within ${spread} ms`, result.chunks.length >= 4 && spread >= 600);
    return `${result.chunks.length} pieces within ${spread} ms`;
  });

  await check("a compile error shows what the compiler says", async () => {
    const result = await run({ language: "c++", source: "int main() { return nothing; }" }, token);
    submissions.push([result.submission, result.verdict]);
    same("verdict", result.verdict, "COMPILE_ERROR");
    holds(`stderr is ${result.step.stderr.text}`, result.step.stderr.text.includes("nothing"));
  });

  for (const [name, language, source, verdict, { limits, ...facts }] of ENDINGS) {
    await check(`${name}: ${verdict}`, async () => {
      const result = await run({ language, source, limits }, token);
      submissions.push([result.submission, result.verdict]);
      same("verdict", result.verdict, verdict);
      for (const [key, value] of Object.entries(facts)) same(key, result.step[key], value);
      return result.step.reason;
    });
  }

  await check("nobody and somebody else see nothing of it", async () => {
    const query = `query($id: ID!) { submission(id: $id) { stdin } }`;
    const code = async (token) => (await ask(query, { id: submissions[0][0] }, token)).errors?.[0]?.extensions.code;
    same("nobody gets", await code(), "UNAUTHENTICATED");
    const other = await must(
      `mutation($input: RegisterInput!) { register(input: $input) { token } }`,
      { input: { username: `${username}-2`, password } },
    );
    same("somebody else gets", await code(other.register.token), "NOT_FOUND");
  });

  writeFileSync(stateFile, JSON.stringify({ username, password, submissions }));
}

async function again() {
  const { username, password, submissions } = JSON.parse(readFileSync(stateFile, "utf8"));
  await check("after a restart the history holds all of them", async () => {
    const { signIn } = await must(
      `mutation($input: SignInInput!) { signIn(input: $input) { token } }`,
      { input: { username, password } },
    );
    const { viewer } = await must(
      `{ viewer { submissions(first: 100) { nodes { id attempt { verdict } } } } }`,
      {},
      signIn.token,
    );
    const found = viewer.submissions.nodes.map((node) => [node.id, node.attempt.verdict]);
    same("the history", found, submissions.toReversed());
    return `${found.length} submissions`;
  });
}

await (mode === "--again" ? again() : first());
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
