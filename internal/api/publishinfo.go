package api

import (
	"context"
	"strings"
)

// PublishInfo is all that an encoder must be told. The key's secret is had from
// /keys/{id}/secret, which records that it was shown.
type PublishInfo struct {
	Name      string    `json:"name" example:"live/show"`
	App       string    `json:"app" doc:"What OBS wants at the end of its Server field" example:"live"`
	Stream    string    `json:"stream" doc:"What OBS wants in its Stream Key field, before ?key=" example:"show"`
	KeyID     string    `json:"key_id"`
	KeyMasked string    `json:"key_masked" example:"wk_••••3f"`
	Addresses []Address `json:"addresses" nullable:"false"`
	RTMPPort  int       `json:"rtmp_port" doc:"0: off"`
	RTMPSPort int       `json:"rtmps_port" doc:"0: off"`
	HTTPPort  int       `json:"http_port"`
	HTTPSPort int       `json:"https_port" doc:"0: off"`
	WebRTC    bool      `json:"webrtc"`
}

type publishInfoOutput struct{ Body PublishInfo }

func (a *API) getPublishInfo(ctx context.Context, in *NameInput) (*publishInfoOutput, error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	key, err := a.deps.Access.PublishKey(ctx, name)
	if err != nil {
		return nil, err
	}
	ports := a.deps.System.Ports()
	info := PublishInfo{
		Name: name, Stream: name, KeyID: key.ID, KeyMasked: key.Masked, Addresses: orEmpty(a.deps.System.Addresses()),
		RTMPPort: ports.RTMP, RTMPSPort: ports.RTMPS, HTTPPort: ports.HTTP, HTTPSPort: ports.HTTPS, WebRTC: ports.WebRTC != 0,
	}
	// RTMP's application is all but the last part, as encoders cut an address.
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		info.App, info.Stream = name[:i], name[i+1:]
	}
	return &publishInfoOutput{Body: info}, nil
}
