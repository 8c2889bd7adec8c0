// Sums orders by customer.
const orders = require("fs").readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const totals = new Map();
for (const { customer, amount } of orders) totals.set(customer, (totals.get(customer) ?? 0) + amount);
for (const [customer, total] of [...totals].sort()) console.log(`${customer}: ${total.toFixed(2)}`);
