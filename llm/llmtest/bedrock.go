package llmtest

import "fmt"

var bedrockAPI = api{path: "/converse", key: "Authorization", check: checkBedrock, answer: answerBedrock, failure: failBedrock}

func checkBedrock(body object) (tools []string, forced bool, problem string) {
	if u := unknown(body, "messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "requestMetadata"); u != "" {
		return nil, false, u
	}
	points := 0
	count := func(o object) bool {
		if o["cachePoint"] == nil {
			return false
		}
		points++
		return true
	}
	config, _ := body["toolConfig"].(object)
	for _, t := range objects(config["tools"]) {
		if count(t) {
			continue
		}
		spec, _ := t["toolSpec"].(object)
		schema, _ := spec["inputSchema"].(object)
		in, _ := schema["json"].(object)
		if text(spec["name"]) == "" || text(spec["description"]) == "" || text(in["type"]) != "object" {
			return nil, false, "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object."
		}
		tools = append(tools, text(spec["name"]))
	}
	if config != nil && len(tools) == 0 {
		return nil, false, "toolConfig.tools: Member must have length greater than or equal to 1"
	}
	for _, s := range objects(body["system"]) {
		count(s)
	}
	var p pairs
	role := ""
	for i, m := range objects(body["messages"]) {
		if m["role"] == role {
			p.fail("A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.")
		}
		role = text(m["role"])
		if i == 0 && role != "user" {
			p.fail("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
		}
		if len(objects(m["content"])) == 0 {
			p.fail("The content field in the Message object at messages.%d is empty. Add a ContentBlock object to the content field and try again.", i)
		}
		for _, b := range objects(m["content"]) {
			use, _ := b["toolUse"].(object)
			result, _ := b["toolResult"].(object)
			switch {
			case count(b), b["reasoningContent"] != nil:
			case result != nil:
				p.result(text(result["toolUseId"]))
				if len(objects(result["content"])) == 0 {
					p.fail("messages.%d: toolResult.content is empty", i)
				}
			case use != nil:
				if _, ok := use["input"].(object); !ok {
					p.fail("The format of the value at messages.%d.content.0.toolUse.input is invalid. Provide a json object for the field and try again.", i)
				}
				p.call(text(use["toolUseId"]))
			case b["text"] != nil:
				p.settled()
				if text(b["text"]) == "" {
					p.fail("The text field in the ContentBlock object at messages.%d.content.0 is blank. Add text to the text field, and try again.", i)
				}
			}
		}
	}
	p.settled()
	if points > 4 {
		p.fail("You can have at most 4 cache checkpoints")
	}
	choice, _ := config["toolChoice"].(object)
	return tools, choice["any"] != nil || choice["tool"] != nil, p.problem
}

func answerBedrock(a answer) any {
	content := list{}
	if !a.empty {
		content = append(content, object{"reasoningContent": object{"reasoningText": object{"text": "", "signature": fmt.Sprintf("sig%d", a.n)}}})
	}
	if a.unknown {
		content = append(content, object{"hologram": object{"depth": 3}, "text": object{}})
	}
	stop := "end_turn"
	if a.text != "" {
		content = append(content, object{"text": a.text})
	}
	for _, c := range a.calls {
		content = append(content, object{"toolUse": object{"toolUseId": "tooluse_" + c.id, "name": c.name, "input": arguments(c.args)}})
		stop = "tool_use"
	}
	switch a.stop {
	case Truncated:
		stop = "max_tokens"
	case Refusal:
		stop = "content_filtered"
	}
	return object{"output": object{"message": object{"role": "assistant", "content": content}}, "stopReason": stop, "metrics": object{"latencyMs": 551},
		"usage": object{"inputTokens": UsedFresh, "cacheReadInputTokens": UsedRead, "cacheWriteInputTokens": UsedWritten, "outputTokens": UsedOutput,
			"totalTokens": UsedFresh + UsedRead + UsedWritten + UsedOutput}}
}

func failBedrock(f Fault, msg string) (int, map[string]string, any) {
	status, kind, says := 400, "ValidationException", msg
	switch f {
	case LimitedSeconds:
		status, kind, says = 429, "ThrottlingException", "Too many requests, please wait before trying again."
	case Quota:
		status, kind, says = 429, "ThrottlingException", "Too many tokens per day, please wait before trying again."
	case Overloaded:
		status, kind, says = 503, "ServiceUnavailableException", "Bedrock is unable to process your request."
	case ServerError:
		status, kind, says = 500, "InternalServerException", "The system encountered an unexpected error during processing. Try your request again."
	case BadKey:
		status, kind, says = 403, "UnrecognizedClientException", "The security token included in the request is invalid."
	case TooLong:
		says = "Input is too long for requested model."
	case NoForcing:
		says = "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again."
	}
	return status, map[string]string{"X-Amzn-Errortype": kind + ":http://internal.amazon.com/coral/com.amazon.bedrock/", "X-Amzn-Requestid": "req-033"}, object{"message": says}
}
