"""Canonical provider names (the OTel GenAI registry's, where it has one) and the spellings in the field."""

PROVIDERS: dict[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "azure.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "azure_ai": "azure.ai.inference",
    "azure.ai.inference": "azure.ai.inference",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "aws.bedrock": "aws.bedrock",
    "google": "gcp.gen_ai",
    "google_genai": "gcp.gen_ai",
    "gcp.gen_ai": "gcp.gen_ai",
    "gemini": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "gcp.gemini": "gcp.gemini",
    "gcp.vertex.agent": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "gcp.vertex_ai": "gcp.vertex_ai",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "mistral_ai": "mistral_ai",
    "perplexity": "perplexity",
    "x_ai": "x_ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
    "ibm.watsonx.ai": "ibm.watsonx.ai",
    "openrouter": "openrouter",
    "together": "together",
    "together_ai": "together",
    "togetherai": "together",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "voyage": "voyageai",
    "voyageai": "voyageai",
    "moonshot": "moonshotai",
    "moonshotai": "moonshotai",
    "ollama": "ollama",
    "vllm": "vllm",
    "hosted_vllm": "vllm",
    "lm_studio": "lm_studio",
    "llama_cpp": "llama_cpp",
}
"""Spelling in lower case -> canonical name. What is not listed stays as it is, in lower case."""

VENDOR_SEPARATOR = "."
"""Vercel writes `anthropic.messages`, `openai.responses`: the part before it is tried too."""

FRAMEWORKS: frozenset[str] = frozenset(
    {"langchain", "langgraph", "crewai", "llamaindex", "haystack", "strands-agents", "litellm", "agno"}
)
"""Written where a provider belongs, but not one: the next source is asked."""

HOSTS: tuple[tuple[str, str], ...] = (
    ("openai.azure.com", "azure.ai.openai"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.perplexity.ai", "perplexity"),
)
"""Ends of `server.address`: who really answers where a client for one provider talks to another."""

HOST_ATTRIBUTES: tuple[str, ...] = ("server.address", "gen_ai.openai.api_base")

MODEL_PREFIXES: dict[str, str] = {
    "claude": "anthropic",
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "text-embedding-3": "openai",
    "text-embedding-ada": "openai",
    "gemini": "gcp.gen_ai",
    "grok": "x_ai",
    "command-": "cohere",
    "embed-english": "cohere",
    "embed-multilingual": "cohere",
    "embed-v4": "cohere",
    "rerank-": "cohere",
    "mistral-": "mistral_ai",
    "deepseek-": "deepseek",
    "anthropic.claude": "aws.bedrock",
    "us.anthropic.claude": "aws.bedrock",
    "eu.anthropic.claude": "aws.bedrock",
    "apac.anthropic.claude": "aws.bedrock",
    "global.anthropic.claude": "aws.bedrock",
    "amazon.": "aws.bedrock",
    "arn:aws:bedrock": "aws.bedrock",
}
"""Starts of model names, for spans that name no provider."""

ROUTED_PREFIXES: dict[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "openrouter": "openrouter",
    "openai": "openai",
    "anthropic": "anthropic",
    "groq": "groq",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "ollama": "ollama",
    "models": "",
}
"""`prefix/` of a routed model name (LiteLLM and others) -> provider; empty: only a prefix to drop."""

SELF_HOSTED: frozenset[str] = frozenset({"ollama", "vllm", "lm_studio", "llama_cpp"})
"""Providers without a list price."""

PRICE_LISTS: dict[str, str] = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
"""Canonical provider -> its id in genai-prices, where the two differ."""

VENDORS: dict[str, tuple[str, ...]] = {
    "aws.bedrock": ("anthropic.", "amazon.", "meta.", "cohere.", "mistral.", "deepseek.", "qwen.", "openai."),
}
"""Provider -> vendors' prefixes of its model ids, which some instrumentations drop."""

MODEL_SUFFIXES: tuple[str, ...] = (
    r"-\d{3}$",
    r"@\d{8}$",
    r"@latest$",
    r"-latest$",
    r"-\d{4}-\d{2}-\d{2}$",
    r"-\d{8}$",
)
"""Version suffixes that may be dropped, one after the other, to find a model's price."""
