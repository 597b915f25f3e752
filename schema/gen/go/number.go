package aob

import (
	"bytes"
	"strconv"
)

// largest is the largest integer that every reader keeps.
const largest = 1<<53 - 1

// plainNumbers writes integers that came with a fraction or an exponent, as in 2.0, without: the
// schema takes them for integers, and encoding/json does not. The data is valid JSON.
func plainNumbers(data []byte) []byte {
	var made bytes.Buffer
	for at := 0; at < len(data); {
		end := at + 1
		switch c := data[at]; {
		case c == '"':
			for end < len(data) && data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(data))
			made.Write(data[at:end])
		case c == '-' || '0' <= c && c <= '9':
			for end < len(data) && bytes.IndexByte([]byte("+-.eE0123456789"), data[end]) >= 0 {
				end++
			}
			made.Write(plainNumber(data[at:end]))
		default:
			made.WriteByte(c)
		}
		at = end
	}
	return made.Bytes()
}

func plainNumber(text []byte) []byte {
	if !bytes.ContainsAny(text, ".eE") {
		return text
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil || number != float64(int64(number)) || number > largest || number < -largest {
		return text
	}
	return strconv.AppendInt(nil, int64(number), 10)
}
