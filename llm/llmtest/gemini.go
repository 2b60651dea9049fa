package llmtest

import (
	"fmt"
	"regexp"
)

var geminiAPI = api{path: ":generateContent", key: "X-Goog-Api-Key", check: checkGemini, answer: answerGemini, failure: failGemini}

func checkGemini(body object) (tools []string, forced bool, problem string) {
	if u := unknown(body, "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"); u != "" {
		return nil, false, `Invalid JSON payload received. Unknown name "` + u + `": Cannot find field.`
	}
	for _, t := range objects(body["tools"]) {
		for _, f := range objects(t["functionDeclarations"]) {
			schema, _ := f["parametersJsonSchema"].(object)
			if !regexp.MustCompile(`^[a-zA-Z_][\w.-]{0,63}$`).MatchString(text(f["name"])) || text(schema["type"]) != "object" {
				return nil, false, "Invalid function name or parameters schema."
			}
			tools = append(tools, text(f["name"]))
		}
	}
	config, _ := body["toolConfig"].(object)
	calling, _ := config["functionCallingConfig"].(object)
	if calling != nil && len(tools) == 0 {
		return nil, false, "Function calling config is set without function_declarations."
	}
	contents := objects(body["contents"])
	if len(contents) == 0 {
		return nil, false, "GenerateContentRequest.contents: contents is not specified"
	}
	var p pairs
	for i, c := range contents {
		if c["role"] != "user" && c["role"] != "model" {
			p.fail("Please use a valid role: user, model.")
		}
		parts := objects(c["parts"])
		if len(parts) == 0 {
			p.fail("GenerateContentRequest.contents[%d].parts: must include at least one parts field", i)
		}
		calls := 0
		for _, part := range parts {
			call, _ := part["functionCall"].(object)
			result, _ := part["functionResponse"].(object)
			switch {
			case result != nil:
				if _, ok := result["response"].(object); !ok {
					p.fail("contents[%d]: function_response.response: Expected a Struct", i)
				}
				p.result(text(result["name"]))
			case call != nil:
				if calls++; calls == 1 && text(part["thoughtSignature"]) == "" {
					p.fail("Function call is missing a thought_signature in functionCall parts. Additional data, function call `%s`, position %d.", text(call["name"]), i)
				}
				p.call(text(call["name"]))
			case part["text"] != nil:
				p.settled()
			}
		}
	}
	p.settled()
	return tools, calling["mode"] == "ANY", p.problem
}

func answerGemini(a answer) any {
	parts := list{}
	if a.unknown {
		parts = append(parts, object{"hologram": object{"depth": 3}, "text": 5})
	}
	finish := "STOP"
	if a.text != "" {
		parts = append(parts, object{"text": a.text, "thoughtSignature": fmt.Sprintf("dGV4dA%d", a.n)})
	}
	for i, c := range a.calls {
		p := object{"functionCall": object{"id": c.id, "name": c.name, "args": arguments(c.args)}}
		if i == 0 {
			p["thoughtSignature"] = fmt.Sprintf("c2ln%04d", a.n) // of parallel calls, only the first is signed
		}
		parts = append(parts, p)
	}
	candidate := object{"content": object{"parts": parts, "role": "model"}, "index": 0}
	switch {
	case a.stop == Truncated:
		finish = "MAX_TOKENS"
	case a.stop == Refusal:
		finish = "PROHIBITED_CONTENT"
		delete(candidate, "content")
	case a.empty:
		candidate["content"] = object{"role": "model"}
	}
	candidate["finishReason"] = finish
	return object{"candidates": list{candidate}, "modelVersion": "gemini-3-flash-preview", "responseId": fmt.Sprintf("r%d", a.n),
		"usageMetadata": object{"promptTokenCount": UsedFresh + UsedRead + UsedWritten, "cachedContentTokenCount": UsedRead,
			"candidatesTokenCount": UsedOutput - UsedThought, "thoughtsTokenCount": UsedThought, "totalTokenCount": UsedFresh + UsedRead + UsedWritten + UsedOutput}}
}

func failGemini(f Fault, msg string) (int, map[string]string, any) {
	status, word, says := 400, "INVALID_ARGUMENT", msg
	var details list
	switch f {
	case LimitedSeconds:
		status, word, says = 429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."
	case Quota:
		status, word, says = 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."
		details = list{object{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": list{object{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}}}}
	case Overloaded:
		status, word, says = 503, "UNAVAILABLE", "The model is overloaded. Please try again later."
	case ServerError:
		status, word, says = 500, "INTERNAL", "An internal error has occurred. Please retry."
	case BadKey:
		says = "API key not valid. Please pass a valid API key."
		details = list{object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}}
	case TooLong:
		says = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
	case NoForcing:
		says = "Function calling config mode ANY is not supported by this model."
	}
	e := object{"code": status, "message": says, "status": word}
	if details != nil {
		e["details"] = details
	}
	return status, nil, object{"error": e}
}
