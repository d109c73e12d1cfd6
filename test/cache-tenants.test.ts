/** Each tenant's statistics: bounded, and told apart. */
import { expect, test } from "vitest";
import { Tenants } from "../src/cache/tenants.ts";

test("who was seen longest ago is forgotten first", () => {
  const tenants = new Tenants(2);
  tenants.of("a", 1).meanTokens = 10;
  tenants.of("b", 2).meanTokens = 20;
  tenants.of("a", 3);
  tenants.of("c", 4).meanTokens = 30;
  expect(["a", "b", "c"].map((name) => tenants.look(name).meanTokens)).toEqual([10, 0, 30]);
  expect(tenants.size).toBe(2);
});

test("looking at a tenant does not make it known", () => {
  const tenants = new Tenants(2);
  expect(tenants.look("a").prompts).toBe(0);
  expect(tenants.size).toBe(0);
});

test("a name can be any string", () => {
  const tenants = new Tenants(5);
  tenants.of("__proto__", 1).meanTokens = 5;
  tenants.of("toString", 1).meanTokens = 6;
  const restored = new Tenants(5);
  restored.restore(JSON.parse(JSON.stringify(tenants.snapshot())));
  expect(restored.look("__proto__").meanTokens).toBe(5);
  expect(restored.look("toString").meanTokens).toBe(6);
  expect(restored.look("constructor").meanTokens).toBe(0);
});

test("a snapshot of more tenants than there is room for keeps the bound", () => {
  const many = new Tenants(10);
  for (let index = 0; index < 10; index += 1) many.of(`t${index}`, index);
  const few = new Tenants(3);
  few.restore(many.snapshot());
  expect(few.size).toBe(3);
});
