package okta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// realistic is an event of the size and shape of a real token event, about 2 KB.
const realistic = `{"actor":{"id":"0oaclient0001","type":"PublicClientApp","alternateId":"0oaclient0001","displayName":"Customer Portal","detailEntry":null},` +
	`"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36","os":"Windows 10","browser":"CHROME"},"zone":"null","device":"Computer","id":"0oaclient0001","ipAddress":"198.51.100.23","geographicalContext":{"city":"Springfield","state":"Illinois","country":"United States","postalCode":"62701","geolocation":{"lat":39.7817,"lon":-89.6501}}},"device":null,` +
	`"authenticationContext":{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":null,"externalSessionId":"unknown"},` +
	`"displayMessage":"OAuth2 access token is granted","eventType":"app.oauth2.as.token.grant.access_token","outcome":{"result":"SUCCESS","reason":null},"published":"2026-03-14T15:09:26.535Z",` +
	`"securityContext":{"asNumber":64496,"asOrg":"example networks","isp":"example isp","domain":"example.net","isProxy":false},"severity":"INFO",` +
	`"debugContext":{"debugData":{"grantedScopes":"openid, profile, offline_access","requestId":"3f1c0a9b7e6d4c5b8a99","responseTime":"112","dtHash":"9a3f5c7e1b2d4f6a8c0e9a3f5c7e1b2d4f6a8c0e9a3f5c7e1b2d4f6a8c0e1122","clientSecret":"client_secret_basic","redirectUri":"https://portal.example.com/callback","requestUri":"/oauth2/default/v1/token","threatSuspected":"false","grantType":"authorization_code","url":"/oauth2/default/v1/token?"}},` +
	`"legacyEventType":"app.oauth2.as.token.grant.access_token_success","transaction":{"type":"WEB","id":"7c9e6679f7425040","detail":{}},"uuid":"2f6c1a52-21b9-11f1-8e0d-0242ac120002","version":"0",` +
	`"request":{"ipChain":[{"ip":"198.51.100.23","geographicalContext":{"city":"Springfield","state":"Illinois","country":"United States","postalCode":"62701","geolocation":{"lat":39.7817,"lon":-89.6501}},"version":"V4","source":null}]},` +
	`"target":[{"id":"AT.0000","type":"access_token","alternateId":null,"displayName":"Access Token","detailEntry":{"expires":"2026-03-14T16:09:26.000Z","subject":"00u000000000000001","hash":"aGFzaA"}},{"id":"00u000000000000001","type":"User","alternateId":"someone@example.com","displayName":"Some One","detailEntry":null}]}`

// logEvent is what a usual client decodes: the whole LogEvent into structs.
type logEvent struct {
	UUID                                            string
	Published                                       time.Time
	EventType                                       string
	Version, Severity, DisplayMessage               string
	LegacyEventType                                 string
	Actor                                           entity
	Target                                          []entity
	Outcome                                         struct{ Result, Reason string }
	Client                                          map[string]any
	Request, AuthenticationContext, SecurityContext map[string]any
	DebugContext                                    struct{ DebugData map[string]any }
	Transaction                                     map[string]any
}

type entity struct {
	ID, Type, AlternateID, DisplayName string
	DetailEntry                        map[string]any
}

func BenchmarkDecodeEvent(b *testing.B) {
	data, rules := []byte(realistic), amau.DefaultRules()
	b.Run("ours", func(b *testing.B) {
		d := okta.NewDecoder(rules, false)
		var e amau.Event
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if err := d.DecodeEvent(data, &e); err != nil {
				b.Fatal(err)
			}
			if v, _, _ := rules.Judge(&e, &amau.Exclusions{}); v != amau.Counts {
				b.Fatal(v)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var e logEvent
			if err := json.Unmarshal(data, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecodeDelivery(b *testing.B) {
	for _, n := range []int{1, 100} {
		data := []byte(`{"eventType":"com.okta.event_hook","data":{"events":[` + strings.TrimSuffix(strings.Repeat(realistic+",", n), ",") + `]}}`)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := okta.NewDecoder(nil, false)
			var doc okta.Document
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.DecodeDelivery(data, &doc); err != nil || len(doc.Events) != n {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadFile(b *testing.B) {
	data := []byte(strings.Repeat(realistic+"\n", 10_000))
	d := okta.NewDecoder(nil, false)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		blocks := okta.NewBlocks(bytes.NewReader(data))
		var doc okta.Document
		n := 0
		for {
			block, err := blocks.Next()
			if err != nil {
				break
			}
			d.DecodeBlock(block, &doc, func(r okta.Rejected) { b.Fatal(r.Err) })
			n += len(doc.Events)
			block.Release()
		}
		if n != 10_000 {
			b.Fatal(n)
		}
	}
}
