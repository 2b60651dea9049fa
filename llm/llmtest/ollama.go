package llmtest

import "encoding/json"

var ollamaAPI = api{path: "/api/chat", check: checkOllama, answer: answerOllama, failure: failOllama}

func checkOllama(body object) (tools []string, forced bool, problem string) {
	// Fields that it does not know, Ollama ignores: a fake that did so too would let a misspelt one pass.
	if u := unknown(body, "model", "messages", "stream", "format", "keep_alive", "tools", "options", "think", "truncate", "shift"); u != "" {
		return nil, false, u
	}
	if text(body["model"]) == "" {
		return nil, false, "model is required"
	}
	if body["stream"] != false {
		return nil, false, "this fake does not stream: send \"stream\": false"
	}
	for _, t := range objects(body["tools"]) {
		f, _ := t["function"].(object)
		tools = append(tools, text(f["name"]))
	}
	format, _ := body["format"].(object)
	for _, one := range objects(format["anyOf"]) {
		properties, _ := one["properties"].(object)
		tool, _ := properties["tool"].(object)
		if names, _ := tool["enum"].(list); len(names) == 1 {
			tools = append(tools, grammarMark+text(names[0]))
		}
	}
	for _, m := range objects(body["messages"]) {
		switch m["role"] {
		case "system", "user", "assistant", "tool":
		default:
			return nil, false, "invalid role"
		}
	}
	return tools, false, ""
}

// answerOllama writes calls as the grammar has them when there is one, and as calls when there is none.
func answerOllama(a answer) any {
	m, reason := object{"role": "assistant", "content": a.text}, "stop"
	var calls list
	for _, c := range a.calls {
		calls = append(calls, object{"id": c.id, "function": object{"index": len(calls), "name": c.name, "arguments": arguments(c.args)}})
	}
	if a.grammar && len(a.calls) > 0 {
		c := a.calls[0]
		name, err := json.Marshal(c.name)
		if err != nil {
			panic(err) // unreachable: strings encode
		}
		written := `{"tool":` + string(name) + `,"args":` + c.args
		if a.stop != Truncated && json.Valid([]byte(c.args)) {
			written += "}"
		}
		m["content"], calls = written, nil
	}
	if len(calls) > 0 {
		m["tool_calls"] = calls
	}
	if a.unknown {
		m["hologram"] = object{"depth": 3}
	}
	if a.stop == Truncated {
		reason = "length"
	}
	return object{"model": "qwen3:8b", "created_at": "2026-11-24T10:00:00.000000Z", "message": m, "done": true, "done_reason": reason, "total_duration": 1, "load_duration": 1,
		"prompt_eval_count": UsedFresh + UsedRead + UsedWritten, "prompt_eval_duration": 1, "eval_count": UsedOutput, "eval_duration": 1}
}

func failOllama(f Fault, msg string) (int, map[string]string, any) {
	status, says := 400, msg
	switch f {
	case LimitedSeconds:
		status, says = 429, "too many requests"
	case Quota:
		status, says = 402, "you have reached your weekly usage limit, upgrade for higher limits"
	case Overloaded:
		status, says = 503, "server busy, please try again.  maximum pending requests exceeded"
	case ServerError:
		status, says = 500, "llama runner process has terminated: signal: killed"
	case BadKey:
		status, says = 401, "unauthorized"
	case TooLong:
		says = "the input length exceeds the context length"
	}
	return status, nil, object{"error": says}
}
