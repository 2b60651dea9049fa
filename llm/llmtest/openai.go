package llmtest

import "fmt"

var (
	responsesAPI = api{path: "/responses", key: "Authorization", check: checkResponses, answer: answerResponses, failure: failOpenAI}
	chatAPI      = api{path: "/chat/completions", key: "Authorization", check: checkChat, answer: answerChat, failure: failOpenAI}
)

func checkResponses(body object) (tools []string, forced bool, problem string) {
	if u := unknown(body, "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens", "store", "include", "reasoning",
		"prompt_cache_key", "temperature", "metadata"); u != "" {
		return nil, false, "Unknown parameter: '" + u + "'."
	}
	if text(body["model"]) == "" {
		return nil, false, "Missing required parameter: 'model'."
	}
	for _, t := range objects(body["tools"]) {
		schema, _ := t["parameters"].(object)
		if t["type"] != "function" || text(t["name"]) == "" || text(schema["type"]) != "object" {
			return nil, false, "Missing required parameter: 'tools[0].name'."
		}
		if strict, ok := t["strict"].(bool); !ok || strict {
			if required, _ := schema["required"].(list); len(required) != len(schema["properties"].(object)) {
				return nil, false, "Invalid schema for function: 'required' is required to be supplied and to be an array including every key in properties."
			}
		}
		tools = append(tools, text(t["name"]))
	}
	var p pairs
	items := objects(body["input"])
	if len(items) == 0 && text(body["input"]) == "" {
		return nil, false, "Missing required parameter: 'input'."
	}
	for i, it := range items {
		switch it["type"] {
		case "function_call":
			if _, ok := it["arguments"].(string); !ok || text(it["call_id"]) == "" {
				p.fail("Missing required parameter: 'input[%d].arguments'.", i)
			}
			p.call(text(it["call_id"]))
		case "function_call_output":
			p.result(text(it["call_id"]))
			if _, ok := it["output"].(string); !ok {
				p.fail("Missing required parameter: 'input[%d].output'.", i)
			}
		case "reasoning":
			if body["store"] == false && text(it["encrypted_content"]) == "" {
				p.fail("Item with id '%s' not found. Items are not persisted when `store` is set to false.", text(it["id"]))
			}
			p.settled()
		default:
			p.settled()
		}
	}
	p.settled()
	return tools, body["tool_choice"] == "required", p.problem
}

func answerResponses(a answer) any {
	out := list{}
	if !a.empty {
		out = append(out, object{"type": "reasoning", "id": fmt.Sprintf("rs_%d", a.n), "summary": list{}, "encrypted_content": fmt.Sprintf("gAAAA<%d>", a.n)})
	}
	if a.unknown {
		out = append(out, object{"type": "hologram_call", "id": "h_1", "content": object{"depth": 3}, "name": 5})
	}
	status, incomplete := "completed", any(nil)
	if a.text != "" {
		content := object{"type": "output_text", "text": a.text, "annotations": list{}}
		if a.stop == Refusal {
			content = object{"type": "refusal", "refusal": a.text}
		}
		out = append(out, object{"type": "message", "id": fmt.Sprintf("msg_%d", a.n), "role": "assistant", "status": "completed", "content": list{content}})
	}
	for _, c := range a.calls {
		out = append(out, object{"type": "function_call", "id": "fc_" + c.id, "call_id": c.id, "name": c.name, "arguments": c.args, "status": "completed"})
	}
	if a.stop == Truncated {
		status, incomplete = "incomplete", object{"reason": "max_output_tokens"}
	}
	return object{"id": fmt.Sprintf("resp_%d", a.n), "object": "response", "created_at": 1764000000, "model": "gpt-5.4-mini-2026-03-17", "status": status, "error": nil,
		"incomplete_details": incomplete, "output": out, "parallel_tool_calls": false, "store": false, "tools": list{}, "tool_choice": "auto",
		"usage": object{"input_tokens": UsedFresh + UsedRead + UsedWritten, "input_tokens_details": object{"cached_tokens": UsedRead, "cache_write_tokens": UsedWritten},
			"output_tokens": UsedOutput, "output_tokens_details": object{"reasoning_tokens": UsedThought}, "total_tokens": UsedFresh + UsedRead + UsedWritten + UsedOutput}}
}

func checkChat(body object) (tools []string, forced bool, problem string) {
	if u := unknown(body, "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "reasoning_effort",
		"prompt_cache_key", "temperature", "metadata"); u != "" {
		return nil, false, "Unrecognized request argument supplied: " + u
	}
	for _, t := range objects(body["tools"]) {
		f, _ := t["function"].(object)
		schema, _ := f["parameters"].(object)
		if t["type"] != "function" || text(f["name"]) == "" || text(schema["type"]) != "object" {
			return nil, false, "Missing required parameter: 'tools[0].function'."
		}
		tools = append(tools, text(f["name"]))
	}
	if len(tools) == 0 && (body["tool_choice"] != nil || body["parallel_tool_calls"] != nil) {
		return nil, false, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
	}
	var p pairs
	for i, m := range objects(body["messages"]) {
		calls := objects(m["tool_calls"])
		switch m["role"] {
		case "tool":
			p.result(text(m["tool_call_id"]))
			continue
		case "system", "user":
			if text(m["content"]) == "" {
				p.fail("Invalid value for 'content': expected a string, got null. (messages[%d])", i)
			}
		case "assistant":
			if text(m["content"]) == "" && len(calls) == 0 {
				p.fail("Invalid value for 'content': expected a string, got null. (messages[%d])", i)
			}
		default:
			p.fail("Invalid value: '%v'. (messages[%d].role)", m["role"], i)
		}
		p.settled()
		for _, c := range calls {
			f, _ := c["function"].(object)
			if _, ok := f["arguments"].(string); !ok || text(f["name"]) == "" || c["type"] != "function" {
				p.fail("Missing required parameter: 'messages[%d].tool_calls[0].function'.", i)
			}
			p.call(text(c["id"]))
		}
	}
	p.settled()
	return tools, body["tool_choice"] == "required", p.problem
}

func answerChat(a answer) any {
	m := object{"role": "assistant", "content": nil, "refusal": nil, "annotations": list{}}
	finish := "stop"
	if a.text != "" {
		m["content"] = a.text
		if a.stop == Refusal {
			m["content"], m["refusal"] = nil, a.text
		}
	}
	if a.unknown {
		m["hologram"] = object{"depth": 3}
	}
	var calls list
	for _, c := range a.calls {
		calls = append(calls, object{"id": c.id, "type": "function", "function": object{"name": c.name, "arguments": c.args}})
		finish = "tool_calls"
	}
	if len(calls) > 0 {
		m["tool_calls"] = calls
	}
	if a.stop == Truncated {
		finish = "length"
	}
	return object{"id": fmt.Sprintf("chatcmpl-%d", a.n), "object": "chat.completion", "created": 1764000000, "model": "gpt-4o-mini-2024-07-18",
		"choices": list{object{"index": 0, "message": m, "logprobs": nil, "finish_reason": finish}},
		"usage": object{"prompt_tokens": UsedFresh + UsedRead + UsedWritten, "prompt_tokens_details": object{"cached_tokens": UsedRead, "cache_write_tokens": UsedWritten},
			"completion_tokens": UsedOutput, "completion_tokens_details": object{"reasoning_tokens": UsedThought}, "total_tokens": UsedFresh + UsedRead + UsedWritten + UsedOutput}}
}

func failOpenAI(f Fault, msg string) (int, map[string]string, any) {
	status, kind, code, says, param := 400, "invalid_request_error", any(nil), msg, any(nil)
	switch f {
	case LimitedSeconds:
		status, kind, code, says = 429, "requests", "rate_limit_exceeded", "Rate limit reached for gpt-5.4-mini in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1."
	case Quota:
		status, kind, code, says = 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
	case Overloaded:
		status, kind, says = 503, "server_error", "The engine is currently overloaded, please try again later"
	case ServerError:
		status, kind, says = 500, "server_error", "The server had an error while processing your request. Sorry about that!"
	case BadKey:
		status, code, says = 401, "invalid_api_key", "Incorrect API key provided: sk-proj-********************abcd. You can find your API key at https://platform.openai.com/account/api-keys."
	case TooLong:
		code, param, says = "context_length_exceeded", "input", "Your input exceeds the context window of this model. Please adjust your input and try again."
	case NoForcing:
		param, says = "tool_choice", "tool_choice 'required' is not supported by this model."
	}
	return status, map[string]string{"X-Request-Id": "req_022"}, object{"error": object{"message": says, "type": kind, "param": param, "code": code}}
}
