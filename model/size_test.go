package model_test

import (
	"testing"

	"github.com/netherite-go/netherite/model"
)

func TestTheSizeOfAnInstanceGrowsWithAllThatItHas(t *testing.T) {
	text := string(make([]byte, 10_000))
	failure := &model.Failure{Cause: &model.Failure{Message: text}}
	least := (&model.Instance{}).Size()
	for name, i := range map[string]*model.Instance{
		"ID":         {ID: text},
		"input":      {Input: []byte(text)},
		"output":     {Output: []byte(text)},
		"status":     {CustomStatus: []byte(text)},
		"failure":    {Failure: failure},
		"property":   {Failure: &model.Failure{Properties: map[string][]byte{"p": []byte(text)}}},
		"tag":        {Tags: map[string]string{"k": text}},
		"parent":     {Parent: &model.Parent{Name: text}},
		"state":      {Entity: &model.EntityState{State: []byte(text)}},
		"lock queue": {Entity: &model.EntityState{LockQueue: []string{text}}},
		"task":       {Waits: &model.Waits{Tasks: []model.WaitTask{{Name: text}}}},
		"child":      {Waits: &model.Waits{Children: []model.WaitChild{{Instance: text}}}},
		"call":       {Waits: &model.Waits{Calls: []model.WaitCall{{Entity: text}}}},
		"lock":       {Waits: &model.Waits{Locks: []model.WaitLock{{LockSet: []string{text}}}}},
		"event":      {Waits: &model.Waits{Events: []string{text}}},
		"held":       {Waits: &model.Waits{Held: []model.WaitHeld{{From: text}}}},
		"quarantine": {Waits: &model.Waits{Quarantine: failure}},
	} {
		if n := i.Size(); n < least+len(text) {
			t.Errorf("with a %s of %d bytes it has %d bytes, without it %d", name, len(text), n, least)
		}
	}
}
