package llmtest

import "fmt"

var anthropicAPI = api{path: "/v1/messages", key: "X-Api-Key", check: checkAnthropic, answer: answerAnthropic, failure: failAnthropic}

func checkAnthropic(body object) (tools []string, forced bool, problem string) {
	if u := unknown(body, "model", "max_tokens", "messages", "system", "tools", "tool_choice", "output_config", "thinking", "temperature", "metadata", "stop_sequences"); u != "" {
		return nil, false, u
	}
	if text(body["model"]) == "" {
		return nil, false, "model: Field required"
	}
	if n, _ := body["max_tokens"].(float64); n <= 0 {
		return nil, false, "max_tokens: Field required"
	}
	marks := 0
	for _, t := range objects(body["tools"]) {
		schema, _ := t["input_schema"].(object)
		if text(t["name"]) == "" || text(schema["type"]) != "object" {
			return nil, false, "tools: name and input_schema of type object are required"
		}
		tools = append(tools, text(t["name"]))
		marks += marked(t)
	}
	choice, _ := body["tool_choice"].(object)
	if choice != nil && len(tools) == 0 {
		return nil, false, "tool_choice: may only be specified while providing tools"
	}
	for _, b := range objects(body["system"]) {
		marks += marked(b)
	}
	var p pairs
	messages := objects(body["messages"])
	if len(messages) == 0 || messages[0]["role"] != "user" {
		return nil, false, "messages: first message must use the \"user\" role"
	}
	for i, m := range messages {
		others := false
		for _, b := range objects(m["content"]) {
			marks += marked(b)
			switch {
			case b["type"] == "tool_result":
				if others {
					p.fail("messages.%d: tool_result blocks must come first", i)
				}
				p.result(text(b["tool_use_id"]))
				continue
			case b["type"] == "text" && text(b["text"]) == "":
				p.fail("messages: text content blocks must be non-empty")
			}
			others = true
			p.settled()
			if b["type"] == "tool_use" {
				if _, ok := b["input"].(object); !ok {
					p.fail("messages.%d: tool_use.input: Input should be a valid dictionary", i)
				}
			}
		}
		if len(objects(m["content"])) == 0 && text(m["content"]) == "" {
			p.fail("messages.%d: all messages must have non-empty content", i)
		}
		for _, b := range objects(m["content"]) {
			if b["type"] == "tool_use" {
				p.call(text(b["id"]))
			}
		}
	}
	p.settled()
	if marks > 4 {
		p.fail("A maximum of 4 blocks with cache_control may be provided. Found %d.", marks)
	}
	return tools, choice["type"] == "any" || choice["type"] == "tool", p.problem
}

func marked(o object) int {
	if o["cache_control"] == nil {
		return 0
	}
	return 1
}

func answerAnthropic(a answer) any {
	content := list{}
	if !a.empty {
		content = append(content, object{"type": "thinking", "thinking": "", "signature": fmt.Sprintf("sig<%d>", a.n)})
	}
	if a.unknown {
		content = append(content, object{"type": "hologram", "content": list{object{"depth": 3}}, "text": 5})
	}
	if a.text != "" {
		content = append(content, object{"type": "text", "text": a.text})
	}
	stop := "end_turn"
	for _, c := range a.calls {
		content = append(content, object{"type": "tool_use", "id": "toolu_" + c.id, "name": c.name, "input": arguments(c.args)})
		stop = "tool_use"
	}
	switch a.stop {
	case Truncated:
		stop = "max_tokens"
	case Refusal:
		stop = "refusal"
	}
	return object{"id": fmt.Sprintf("msg_%d", a.n), "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": content,
		"stop_reason": stop, "stop_sequence": nil, "usage": object{"input_tokens": UsedFresh, "cache_read_input_tokens": UsedRead,
			"cache_creation_input_tokens": UsedWritten, "cache_creation": object{"ephemeral_5m_input_tokens": UsedWritten, "ephemeral_1h_input_tokens": 0},
			"output_tokens": UsedOutput, "output_tokens_details": object{"thinking_tokens": UsedThought}, "service_tier": "standard"}}
}

func failAnthropic(f Fault, msg string) (int, map[string]string, any) {
	status, kind, says := 400, "invalid_request_error", msg
	var details any
	switch f {
	case LimitedSeconds:
		status, kind, says = 429, "rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."
	case Quota:
		status, kind, says = 429, "rate_limit_error", "Your organization has reached its monthly spend limit."
		details = object{"error_code": "enforced_spend_limit_reached"}
	case Overloaded:
		status, kind, says = 529, "overloaded_error", "Overloaded"
	case ServerError:
		status, kind, says = 500, "api_error", "Internal server error"
	case BadKey:
		status, kind, says = 401, "authentication_error", "invalid x-api-key"
	case TooLong:
		says = "prompt is too long: 1000123 tokens > 1000000 maximum"
	case NoForcing:
		says = `tool_choice: type "tool" and "any" are not supported for this model.`
	}
	e := object{"type": kind, "message": says}
	if details != nil {
		e["details"] = details
	}
	return status, map[string]string{"Request-Id": "req_011"}, object{"type": "error", "error": e, "request_id": "req_011"}
}
