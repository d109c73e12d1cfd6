import type { Provider } from "../src/provider.ts";
import { openaiCompatible } from "./openai-compatible.ts";

export const groq: Provider = openaiCompatible({
  kind: "groq",
  defaultBaseUrl: "https://api.groq.com/openai/v1",
  environment: { apiKey: "GROQ_API_KEY", baseUrl: "GROQ_BASE_URL" },
});
